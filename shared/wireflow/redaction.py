"""What the vendor says may quote the address or the key that it was asked with; from here on nobody sees them. Pure."""

import re
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "[hidden]"
LEAST_CUT = 6  # characters of a secret at the end of a text that was cut, and at least half of it: fewer may be a word


class Redaction:
    """Takes the secrets out of a text: as they are, as they stand in an address, in either case, and cut at its end."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = frozenset(secret for secret in secrets if secret)
        spellings = {spelling for secret in self.secrets for spelling in (secret, quote(secret, safe=""))}
        # The longest first: one may be the beginning of another.
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._anywhere = re.compile("|".join(map(re.escape, self._spellings)) or "(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """The text without them."""
        end = max((self._cut(text, spelling) for spelling in self._spellings), default=0)
        whole = text[:-end] + HIDDEN if end else text
        return self._anywhere.sub(HIDDEN, whole)

    def _cut(self, text: str, spelling: str) -> int:
        """How many characters of the secret the text ends with."""
        least = max(LEAST_CUT, len(spelling) // 2)
        sizes = range(len(spelling) - 1, least - 1, -1)
        return next((size for size in sizes if text[-size:].lower() == spelling[:size].lower()), 0)
