"""From the bytes of an uploaded batch, CSV or JSON, to its rows and the fields beside them, their defaults."""

import hashlib
from dataclasses import dataclass

from starlette.datastructures import Headers

from shared.problems import Problem

from . import forms
from .decode import DecodedBody, decode, resembles_json, without_token
from .media_type import BodyKind, content_type
from .table import Table, read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedUpload(DecodedBody):
    """A decoded upload. `table`: its rows, None if they are JSON; `sha256`: of the file, hex."""

    table: Table | None = None
    sha256: str = ""


def decode_upload(kind: BodyKind, headers: Headers, raw: bytes) -> DecodedUpload:
    """Decode a complete body. Problem 400, 415, or 422, or BadTable. CPU-bound, as `decode`."""
    if kind is BodyKind.MULTIPART:
        return without_token(_from_form(raw, content_type(headers)))
    if kind is BodyKind.TABLE or (kind is BodyKind.URLENCODED and not resembles_json(raw)):
        return DecodedUpload(body={}, table=read_table(raw, content_type(headers)), sha256=_sha256(raw))
    decoded = decode(BodyKind.JSON, headers, raw)
    return DecodedUpload(body=decoded.body, token=decoded.token, event_key=decoded.event_key, sha256=_sha256(raw))


def _from_form(raw: bytes, declared: str) -> DecodedUpload:
    form = forms.multipart(raw, declared)
    if len(form.files) != 1:
        raise Problem.wrong("A batch is one file. Send the form with one CSV file.", "file")
    ((_, part),) = form.files
    content = part.content(raw)
    table = read_table(content, part.content_type)
    return DecodedUpload(body=form.fields(), table=table, sha256=_sha256(content), form=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
