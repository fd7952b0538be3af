"""HTML forms, urlencoded or multipart: their fields, and the files of input images.

https://url.spec.whatwg.org/#application/x-www-form-urlencoded; https://www.rfc-editor.org/rfc/rfc7578
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from shared.images.formats import HEAD_BYTES, sniff
from shared.problems import Problem
from shared.workflows import IMAGES

from .fields import read_text_fields
from .multipart import FIELDS_LIMIT, Part, invalid, read_parts, too_many
from .read import BODY_LIMIT, MIB, too_large

if TYPE_CHECKING:
    from webencodings import Encoding

FILE_LIMIT = 25 * MIB

# The button of a form, the charset of its page, and the campaign that led to it: no input for a workflow.
_BROWSER_ADDED = re.compile(r"submit(\.[xy])?|_charset_|utm_\w+", re.ASCII | re.IGNORECASE)
# Not supersets of ASCII, or no encodings at all: the names of a form's fields could not be found in them.
_NOT_FOR_FORMS = {"replacement", "utf-16be", "utf-16le", "x-user-defined"}
_AS_BROWSERS = "as-browsers"  # the name of an error handler


@dataclass(frozen=True, slots=True)
class Form:
    """What a form holds, before any field is read. A file input in which nothing was chosen is not one of `files`."""

    pairs: list[tuple[str, str]]
    files: list[tuple[str, Part]]

    def fields(self) -> dict[str, Any]:
        """Return the fields as JSON would have them, without those that browsers add. Problem 422 if one is invalid."""
        return read_text_fields((name, text) for name, text in self.pairs if not _BROWSER_ADDED.fullmatch(name))

    def images(self, raw: bytes) -> dict[str, bytes]:
        """Return the input images by their field, each of a known format. `raw`: the body.

        Problem 413 or 422 if there is another file, or two for one field.
        """
        names = [name for name, _ in self.files]
        for name in names:
            if name not in IMAGES:
                raise Problem.wrong(f"Files are accepted only as {', '.join(IMAGES)}. Rename the file input.", name)
            if names.count(name) > 1:
                raise Problem.wrong(f"Only one file is accepted as {name}. Use {', '.join(IMAGES)} for several.", name)
        return {name: _image(name, part, raw) for name, part in self.files}


def _image(name: str, part: Part, raw: bytes) -> bytes:
    if not part.size:
        raise Problem.wrong("The file is empty. Send PNG, JPEG, WebP, GIF, or AVIF.", name)
    if part.size > FILE_LIMIT:
        raise too_large("file", FILE_LIMIT, name)
    content = part.content(raw)
    if sniff(content[:HEAD_BYTES]) is None:
        raise Problem.wrong("The file is not an image. Send PNG, JPEG, WebP, GIF, or AVIF.", name)
    return content


def urlencoded(raw: bytes, content_type: str) -> Form:
    """Parse an urlencoded form. Problem 400 or 413 if it is invalid."""
    if raw.count(b"&") >= FIELDS_LIMIT:
        raise too_many()
    pairs = []
    for piece in filter(None, raw.split(b"&")):
        name, _, value = piece.replace(b"+", b" ").partition(b"=")
        pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    encoding = _encoding(content_type) or _encoding_of_page(pairs)
    return Form([(_decoded(name, encoding), _decoded(value, encoding)) for name, value in pairs], [])


def multipart(raw: bytes, content_type: str) -> Form:
    """Parse a multipart form. Problem 400 or 413 if it is invalid."""
    texts, files, size = [], [], 0
    for part in read_parts(raw, content_type):
        if part.filename is None:
            size += len(part.name) + part.size
            if size > BODY_LIMIT:
                raise too_large("text of the form", BODY_LIMIT)
            texts.append((part, part.content(raw)))
        elif part.size or part.filename:
            files.append(part)
    encoding = _encoding(content_type) or _encoding_of_page((part.name, value) for part, value in texts)
    return Form(
        [
            (_decoded(part.name, encoding), _decoded(value, _encoding(part.content_type) or encoding))
            for part, value in texts
        ],
        [(_decoded(part.name, encoding), part) for part in files],
    )


# --- character encodings: https://encoding.spec.whatwg.org/ --------------------------------------------------------


def _encoding(content_type: str) -> "Encoding | None":
    """The encoding that a Content-Type declares. Problem 400 if there is no such encoding."""
    for parameter in content_type.split(";")[1:]:
        name, _, label = parameter.partition("=")
        if name.strip().lower() == "charset":
            if encoding := _named(label.strip().strip('"')):
                return encoding
            raise invalid("has an unsupported charset; send UTF-8")
    return None


def _encoding_of_page(pairs: Iterable[tuple[bytes, bytes]]) -> "Encoding":
    """The encoding that the browser names in `_charset_`, else UTF-8 (RFC 7578, 4.6)."""
    from webencodings import UTF8

    label = next((value for name, value in pairs if name == b"_charset_"), b"")
    return _named(label.decode("latin-1")) or UTF8


def _named(label: str) -> "Encoding | None":
    from webencodings import lookup  # 2 ms, which only forms need

    encoding = lookup(label)
    return None if encoding is None or encoding.name in _NOT_FOR_FORMS else encoding


def _decoded(raw: bytes, encoding: "Encoding") -> str:
    """The text, without a byte order mark, which precedes any other declaration."""
    from webencodings import decode

    try:
        text: str = decode(raw, encoding, _AS_BROWSERS)[0]
    except UnicodeDecodeError as error:
        name = encoding.name.upper()
        raise invalid(f"contains bytes that are not {name}; send text as UTF-8 and images as a file") from error
    return text


def _control_character(error: UnicodeError) -> tuple[str, int]:
    """A byte from 0x80 to 0x9f that Python's single-byte codecs leave undefined is the control character it names."""
    if isinstance(error, UnicodeDecodeError) and error.encoding == "charmap":
        byte = error.object[error.start]
        if 0x80 <= byte <= 0x9F:
            return chr(byte), error.start + 1
    raise error


codecs.register_error(_AS_BROWSERS, _control_character)
