"""`--url`, `--token`, and `--live` say where a command acts."""

import pytest

from functions.cli.errors import SetupError
from functions.cli.place import IDENTITY_VARIABLE, TOKEN_VARIABLE, Place


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "from the environment")


@pytest.mark.parametrize(
    "url", ["https://t.example/", "https://t.example/path", "http://localhost:8080", "http://[::1]:1"]
)
def test_the_token_is_that_of_the_option_or_of_the_environment(url: str):
    assert Place.of(url, None, live=False) == Place(url=url.rstrip("/"), token="from the environment")
    assert Place.of(url, "mine", live=False) == Place(url=url.rstrip("/"), token="mine")


def test_without_a_url_the_environments_token_is_not_used():
    assert Place.of(None, None, live=True) == Place(live=True)


@pytest.mark.parametrize(
    ("url", "token", "live"),
    [
        ("http://t.example", None, False),
        ("ftp://t.example", None, False),
        ("https://", None, False),
        ("https://user@t.example", None, False),
        ("https://t.example?token=1", None, False),
        ("https://[", None, False),
        ("https://t.example:0", None, False),
        ("https://t.example:65536", None, False),
        ("https://t example", None, False),
        ("https://t.example/\x07", None, False),
        ("t.example", None, False),
        ("https://t.example", None, True),
        (None, "mine", False),
    ],
)
def test_what_is_unsafe_or_contradictory_is_refused(url: str | None, token: str | None, live: bool):
    with pytest.raises(SetupError):
        Place.of(url, token, live=live)


def test_white_space_around_a_token_is_not_part_of_it(monkeypatch: pytest.MonkeyPatch):
    assert Place.of("https://t.example", " mine\r\n", live=False).token == "mine"
    monkeypatch.setenv(TOKEN_VARIABLE, "\n")
    assert Place.of("https://t.example", None, live=False).token is None


@pytest.mark.parametrize("token", ["min\ne", "müne", "mine\x00"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_quoted(token: str):
    with pytest.raises(SetupError, match="WIREFLOW_IMAGES_TOKEN") as error:
        Place.of("https://t.example", token, live=False)
    assert token not in error.value.message


def test_a_token_is_not_shown():
    assert "mine" not in repr(Place.of("https://t.example", "mine", live=False))


def test_the_identity_token_of_a_private_deployment_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(IDENTITY_VARIABLE, "1dentity\n")
    place = Place.of("https://t.example", "mine", live=False)
    assert place.headers == {"Authorization": "Bearer mine", "X-Serverless-Authorization": "Bearer 1dentity"}
    assert "1dentity" not in repr(place)
    assert Place.of(None, None, live=True).headers == {}


def test_an_identity_token_that_cannot_be_sent_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(IDENTITY_VARIABLE, "1den\ntity")
    with pytest.raises(SetupError, match=IDENTITY_VARIABLE) as error:
        Place.of("https://t.example", "mine", live=False)
    assert "tity" not in error.value.message.replace("identity", "")
