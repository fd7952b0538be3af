"""Form tokens: valid for one origin, from three seconds to an hour after they were issued, on every instance."""

import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.trigger.stand_ins import Instance, request

SHOP, BLOG = "https://shop.example", "https://blog.example:8443"
FORM = Caller(CallerKind.FORM, f"form:{SHOP}")


def instance(**changes: object) -> Instance:
    return Instance(settings=AuthSettings(origins=(SHOP, BLOG), public=True, **changes))


async def form_token(here: Instance, origin: str = SHOP) -> str:
    issued = await here.forms.issue_form_token(request("GET", "/form-token", {"Origin": origin}))
    return str(issued["formToken"])


async def fault(here: Instance, token: object, caller: Caller = FORM) -> str:
    with pytest.raises(Problem) as caught:
        await here.forms.check_form_token(token, caller)
    assert (caught.value.code, caught.value.field) == ("invalid_field", "formToken")
    return caught.value.detail


async def test_a_form_token_states_when_it_is_valid():
    issued = await instance().forms.issue_form_token(request("GET", "/form-token", {"Origin": SHOP}))
    assert issued["notBefore"] == "2026-03-01T12:00:03.000Z"
    assert issued["expiresAt"] == "2026-03-01T13:00:00.000Z"
    assert set(issued) == {"formToken", "notBefore", "expiresAt"}
    assert len(issued["formToken"]) >= 16
    assert issued["formToken"].isascii()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_only_pages_of_an_allowed_origin_get_one(origin: str):
    with pytest.raises(Problem) as caught:
        await form_token(instance(), origin)
    assert caught.value.code == "forbidden"


async def test_a_form_token_is_valid_from_three_seconds_to_an_hour():
    here = instance()
    token = await form_token(here)
    assert "too new" in await fault(here, token)
    for seconds in (3, 1_797, 1_800):
        here.clock.later(seconds)
        await here.forms.check_form_token(token, FORM)
    here.clock.later(0.001)
    assert "expired" in await fault(here, token)


async def test_a_form_token_is_valid_on_every_instance():
    issuing, checking = instance(), instance()
    checking.clock.later(10)
    await checking.forms.check_form_token(await form_token(issuing), FORM)


async def test_form_tokens_issued_at_the_same_time_differ():
    here = instance()
    assert len({await form_token(here) for _ in range(10)}) == 10


async def test_a_form_token_of_another_origin_is_invalid():
    here = instance()
    token = await form_token(here, BLOG)
    here.clock.later(10)
    assert "not issued for this origin" in await fault(here, token)
    await here.forms.check_form_token(token, Caller(CallerKind.FORM, f"form:{BLOG}"))


async def test_no_other_spelling_of_a_form_token_is_valid():
    here = instance()
    token = await form_token(here)
    here.clock.later(10)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n"
    for at in (0, 5, 11, 40, len(token) - 3, len(token) - 2, len(token) - 1):
        for other in alphabet:
            changed = token[:at] + other + token[at + 1 :]
            if changed != token:
                await fault(here, changed)
    for changed in (token + "=", token + "\n", " " + token, token.rstrip("="), token + "A"):
        if changed != token:
            await fault(here, changed)


@pytest.mark.parametrize("token", ["", "x", "ä", "\ud800", "A" * 75, "_" * 76, 7, ["a"], {}])
async def test_a_forged_form_token_is_invalid(token: object):
    assert await fault(instance(), token)


async def test_a_form_token_is_required_only_if_configured_and_only_of_browsers():
    await instance().forms.check_form_token(None, FORM)
    strict = instance(form_token_required=True)
    assert "GET /form-token" in await fault(strict, None)
    await strict.forms.check_form_token(None, Caller(CallerKind.TOKEN, "zapier"))
    await strict.forms.check_form_token("any text", Caller(CallerKind.TOKEN, "zapier"))
