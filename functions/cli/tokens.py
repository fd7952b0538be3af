"""New tokens for callers. The functions know a token by its SHA-256 only."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field

from functions.cli.errors import SetupError
from shared.auth_settings import parse_tokens

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, and the value of TRIGGER_TOKENS that accepts it."""

    text: str = field(repr=False)
    setting: str


def new_token(name: str, *, admin: bool) -> NewToken:
    """Create a random token. Raises SetupError for a name that TRIGGER_TOKENS would not accept."""
    text = secrets.token_urlsafe(TOKEN_BYTES)
    digest = hashlib.sha256(text.encode()).hexdigest()
    setting = json.dumps({name: {"sha256": digest, "admin": True} if admin else digest})
    try:
        parse_tokens(setting)
    except ValueError as error:
        raise SetupError(f"NAME: {str(error).partition(': ')[2]}") from error
    return NewToken(text, setting)
