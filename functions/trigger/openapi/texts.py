"""Texts in the description: what the code reads from them, as regular expressions of ECMA-262."""

import re
from collections.abc import Iterable

from ..parsing.urls import NAME, REST

# What `str.strip` takes for blank; `\s` is something else in every dialect.
BLANK = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_BLANK = f"[^{BLANK}]"

ADDRESS = f"^https://{NAME}(?::(?:0*443)?)?{REST}$"
WEB = f"^(?:[{BLANK}]*[Hh][Tt][Tt][Pp][Ss]?://|$)"  # or nothing

FLAG = "[Tt][Rr][Uu][Ee]|[Oo][Nn]|1|[Ff][Aa][Ll][Ss][Ee]|[Oo][Ff][Ff]|0"
TRUTH = f"{FLAG}|[Yy][Ee][Ss]|[Nn][Oo]"
NUMBER = r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?"


def whole(pattern: re.Pattern[str]) -> str:
    """What matches from its beginning to its end; without the names of groups, which are Python's."""
    return f"^{re.sub(r'[(][?]P<[a-z]+>', '(', pattern.pattern)}$"


def spelled(words: str) -> str:
    """These words, whatever blanks are around them."""
    return f"^[{BLANK}]*(?:{words})[{BLANK}]*$"


def if_at_all(words: str) -> str:
    """The same, or an empty text."""
    return f"^(?:[{BLANK}]*(?:{words})[{BLANK}]*)?$"


def on_origins(origins: Iterable[str]) -> str:
    """An address on one of these origins."""
    literal = (re.sub(r"[.\[\]]", r"\\\g<0>", origin) for origin in origins)
    return f"^(?:{'|'.join(literal)}){REST}$"
