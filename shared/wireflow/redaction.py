"""Redaction of secrets from Wireflow's texts, which may quote the API key or the URL of the request. Pure."""

import re
from collections.abc import Iterable
from urllib.parse import quote

REDACTED = "[REDACTED]"
MIN_PREFIX = 6  # characters of a truncated secret, and at least half of it: a shorter match may be an ordinary word


class Redaction:
    """Replaces secrets in a text, plain or URL-encoded, in any case, and truncated at the end of the text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = frozenset(secret for secret in secrets if secret)
        spellings = {spelling for secret in self.secrets for spelling in (secret, quote(secret, safe=""))}
        # Longest first: one secret may be a prefix of another.
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._spellings)) or "(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """Return the text with every secret replaced by `[REDACTED]`."""
        truncated = max((self._truncated_length(text, spelling) for spelling in self._spellings), default=0)
        if truncated:
            text = text[:-truncated] + REDACTED
        return self._pattern.sub(REDACTED, text)

    def _truncated_length(self, text: str, spelling: str) -> int:
        """Return how many leading characters of the secret the text ends with, or 0."""
        minimum = max(MIN_PREFIX, len(spelling) // 2)
        lengths = range(len(spelling) - 1, minimum - 1, -1)
        return next((length for length in lengths if text[-length:].lower() == spelling[:length].lower()), 0)
