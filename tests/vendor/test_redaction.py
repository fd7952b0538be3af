"""Redaction removes every secret, however it is spelled and wherever the text is truncated."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.wireflow.redaction import REDACTED, Redaction


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30), st.sampled_from(["wf/secret id", "sk-very-secret"]), st.text(max_size=30), st.integers(8))
def test_every_spelling_and_every_truncated_secret_is_redacted(before: str, secret: str, after: str, size: int) -> None:
    redact = Redaction(("wf/secret id", "sk-very-secret", "sk-very", ""))
    spellings = [secret, secret.upper(), secret.replace("/", "%2F").replace(" ", "%20")]
    for spelling in spellings:
        assert spelling.lower() not in redact(before + spelling + after).lower()
        assert redact(before + spelling[:size]).endswith(REDACTED)
    assert redact(before + spellings[0]).startswith(before)


def test_without_secrets_a_text_is_unchanged() -> None:
    assert Redaction(())("a text") == Redaction(("", ""))("a text") == "a text"
