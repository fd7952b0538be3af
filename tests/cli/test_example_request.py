"""The command that `serve` suggests fits its settings."""

import pytest

from functions.cli.example_request import example_request
from shared.auth_settings import AuthSettings, SigningSecret

URL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            AuthSettings(event_account="a@b.example", event_audience="https://t.example"),
            "--impersonate-service-account",
        ),
        (AuthSettings(signing_secrets=(SigningSecret("shop", ("whsec_AAAA",)),)), "webhook-signature"),
        (AuthSettings(origins=("https://a.example",), turnstile_secret="x"), "a Turnstile widget"),
    ],
)
def test_what_a_command_line_cannot_send_alone_is_explained(settings: AuthSettings, words: str):
    assert words in example_request(URL, settings)
