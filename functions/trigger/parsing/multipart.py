"""The parts of a multipart body: where they are, and what their headers say (RFC 7578)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.problems import Problem

FIELDS_LIMIT = 1_000


@dataclass(slots=True)
class Part:
    """A part of the body. Its content is not copied before it is needed."""

    name: bytes = b""
    filename: bytes | None = None  # empty if no file was chosen
    headers: dict[bytes, bytes] = field(default_factory=dict)
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return sum(end - start for start, end in self.spans)

    @property
    def content_type(self) -> str:
        """The part's own Content-Type, or "" without one."""
        return self.headers.get(b"content-type", b"").decode("latin-1")

    def content(self, raw: bytes) -> bytes:
        """Return a copy of the part's bytes."""
        return b"".join(raw[start:end] for start, end in self.spans)


def read_parts(raw: bytes, content_type: str) -> Iterator[Part]:
    """Iterate over the parts of a complete body. Problem 400 if it is not one."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise invalid("has no boundary in its Content-Type; let your HTTP library write that header")
    if raw.count(b"--" + boundary) > FIELDS_LIMIT:  # the parser is slow on bytes that only resemble a boundary
        raise too_many()
    reader = _Reader()
    try:
        MultipartParser(boundary, reader.callbacks()).write(raw)
    except FormParserError as error:
        raise invalid("does not follow its boundary; let your HTTP library write body and Content-Type") from error
    if not reader.complete:
        raise invalid("ends before its last boundary; send the whole body")
    for part in reader.parts:
        disposition = part.headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise invalid('has a part without Content-Disposition: form-data; name="…"')
        if part.headers.get(b"content-transfer-encoding", b"8bit").lower() not in {b"7bit", b"8bit", b"binary"}:
            raise invalid("has a part with a Content-Transfer-Encoding; send its bytes unencoded")
        encoded = b"filename*" if b"filename*" in disposition.lower() else None
        part.name, part.filename = options[b"name"], options.get(b"filename", encoded)
        yield part


class _Reader:
    """Record where the parts of a body are. It is fed the whole body at once."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
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
        self.parts.append(Part())

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


def too_many() -> Problem:
    """Return the problem 413 for a form with too many fields."""
    return Problem("body_too_large", f"The form has more than {FIELDS_LIMIT:,} fields.")


def invalid(what: str) -> Problem:
    """Return the problem 400 for a form that cannot be read."""
    return Problem("invalid_form", f"The form {what}.")
