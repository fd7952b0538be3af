"""No secret is left in what the vendor says, however it is spelt, and wherever the text was cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.wireflow.redaction import HIDDEN, Redaction


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30), st.sampled_from(["wf/secret id", "sk-very-secret"]), st.text(max_size=30), st.integers(8))
def test_no_secret_is_left_however_it_is_spelt_or_cut(before: str, secret: str, after: str, size: int) -> None:
    hide = Redaction(("wf/secret id", "sk-very-secret", "sk-very", ""))
    spelt = [secret, secret.upper(), secret.replace("/", "%2F").replace(" ", "%20")]
    for spelling in spelt:
        assert spelling.lower() not in hide(before + spelling + after).lower()
        assert hide(before + spelling[:size]).endswith(HIDDEN)
    assert hide(before + spelt[0]).startswith(before)


def test_without_secrets_a_text_stays_as_it_is() -> None:
    assert Redaction(())("a text") == Redaction(("", ""))("a text") == "a text"
