"""A new token for a caller: shown once, and known to the functions only by its SHA-256."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field

from functions.cli.errors import WrongSetup
from shared.auth_settings import parse_tokens

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, and the value of TRIGGER_TOKENS that lets its holder in."""

    text: str = field(repr=False)
    setting: str


def new_token(name: str, *, admin: bool) -> NewToken:
    """A token that nobody can guess; WrongSetup for a name that TRIGGER_TOKENS would not take."""
    text = secrets.token_urlsafe(TOKEN_BYTES)
    digest = hashlib.sha256(text.encode()).hexdigest()
    setting = json.dumps({name: {"sha256": digest, "admin": True} if admin else digest})
    try:
        parse_tokens(setting)
    except ValueError as error:
        raise WrongSetup(f"NAME: {str(error).partition(': ')[2]}") from error
    return NewToken(text, setting)
