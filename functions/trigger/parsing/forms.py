"""HTML forms, urlencoded or multipart: their fields, and at most one file.

https://url.spec.whatwg.org/#application/x-www-form-urlencoded; https://www.rfc-editor.org/rfc/rfc7578
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from shared.images.formats import HEAD_BYTES, sniff
from shared.problems import Problem

from .fields import read_text_fields
from .read import BODY_LIMIT, MIB, too_large

FILE_LIMIT = 25 * MIB
FIELDS_LIMIT = 1_000
FILE_FIELD = "image1"

_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1", "windows-1252": "cp1252"}


@dataclass(frozen=True, slots=True)
class Form:
    """`file`: `image1`, an image of a known format and at most 25 MiB."""

    fields: dict[str, Any]
    file: bytes | None = None


def urlencoded(raw: bytes, content_type: str) -> Form:
    """Parse an urlencoded form. Problem 400, 413, or 422 if it is invalid."""
    charset = _charset(content_type)
    try:
        pairs = parse_qsl(
            raw.decode(charset),
            keep_blank_values=True,
            encoding=charset,
            errors="strict",
            max_num_fields=FIELDS_LIMIT,
        )
    except UnicodeDecodeError as error:
        raise _undecodable(charset) from error
    except ValueError as error:
        raise _too_many() from error
    return Form(read_text_fields(pairs))


def multipart(raw: bytes, content_type: str) -> Form:
    """Parse a multipart form. Problem 400, 413, or 422 if it is invalid."""
    charset = _charset(content_type)
    files, pairs, size = [], [], 0
    for part in _parts(raw, content_type):
        name = _decoded(part.name, charset)
        if part.is_file:
            if part.size:
                files.append((name, part))
            continue
        size += len(part.name) + part.size
        if size > BODY_LIMIT:
            raise too_large("text of the form", BODY_LIMIT)
        pairs.append((name, _decoded(part.content(raw), _charset(part.content_type, charset))))
    return Form(read_text_fields(pairs), _file(files, raw))


@dataclass(slots=True)
class _Part:
    """A part of the body. Its content is not copied before it is needed."""

    name: bytes = b""
    is_file: bool = False
    headers: dict[bytes, bytes] = field(default_factory=dict)
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(end - start for start, end in self.spans)

    @property
    def content_type(self) -> str:
        return self.headers.get(b"content-type", b"").decode("latin-1")

    def content(self, raw: bytes) -> bytes:
        """Return a copy of the part's bytes."""
        return b"".join(raw[start:end] for start, end in self.spans)


def _file(files: list[tuple[str, _Part]], raw: bytes) -> bytes | None:
    for name, _ in files:
        if name != FILE_FIELD:
            raise Problem.wrong(f"Files are accepted only as {FILE_FIELD}. Rename the file input.", name)
    if len(files) > 1:
        raise Problem.wrong(f"Only one file is accepted as {FILE_FIELD}. Send one request per file.", FILE_FIELD)
    if not files:
        return None
    part = files[0][1]
    if part.size > FILE_LIMIT:
        raise too_large("file", FILE_LIMIT, FILE_FIELD)
    content = part.content(raw)
    if sniff(content[:HEAD_BYTES]) is None:
        raise Problem.wrong("The file is not an image. Send PNG, JPEG, WebP, GIF, or AVIF.", FILE_FIELD)
    return content


def _parts(raw: bytes, content_type: str) -> Iterator[_Part]:
    """Iterate over the parts of a complete body. Problem 400 if it is not one."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise _invalid("has no boundary in its Content-Type; let your HTTP library write that header")
    if raw.count(b"--" + boundary) > FIELDS_LIMIT:  # the parser is slow on bytes that only resemble a boundary
        raise _too_many()
    reader = _Reader()
    try:
        MultipartParser(boundary, reader.callbacks()).write(raw)
    except FormParserError as error:
        raise _invalid("does not follow its boundary; let your HTTP library write body and Content-Type") from error
    if not reader.complete:
        raise _invalid("ends before its last boundary; send the whole body")
    for part in reader.parts:
        disposition = part.headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _invalid('has a part without Content-Disposition: form-data; name="…"')
        if part.headers.get(b"content-transfer-encoding", b"8bit").lower() not in {b"7bit", b"8bit", b"binary"}:
            raise _invalid("has a part with a Content-Transfer-Encoding; send its bytes unencoded")
        part.name, part.is_file = options[b"name"], b"filename" in options or b"filename*" in disposition.lower()
        yield part


class _Reader:
    """Record where the parts of a body are. It is fed the whole body at once."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.complete = False
        self._name = self._value = b""

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self.parts.append(_Part())

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self.parts[-1].headers[self._name.lower()] = self._value.strip()
        self._name = self._value = b""

    def _data(self, _data: bytes, start: int, end: int) -> None:
        self.parts[-1].spans.append((start, end))

    def _end(self) -> None:
        self.complete = True


def _charset(content_type: str, default: str = "utf-8") -> str:
    """The codec of a Content-Type."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            codec = _CHARSETS.get(value.strip().strip('"').lower())
            if codec is None:
                raise _invalid("has an unsupported charset; send UTF-8")
            return codec
    return default


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except UnicodeDecodeError as error:
        raise _undecodable(charset) from error


def _undecodable(charset: str) -> Problem:
    return _invalid(f"contains bytes that are not {charset.upper()}; send text as UTF-8 and images as a file")


def _too_many() -> Problem:
    return Problem("body_too_large", f"The form has more than {FIELDS_LIMIT:,} fields.")


def _invalid(what: str) -> Problem:
    return Problem("invalid_form", f"The form {what}.")
