"""Form tokens: good for one origin, from three seconds to an hour after they were made, on every instance."""

import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from shared.auth_settings import AuthSettings
from shared.problems import Problem
from tests.trigger.stand_ins import House, request

SHOP, BLOG = "https://shop.example", "https://blog.example:8443"
FORM = Caller(CallerKind.FORM, f"form:{SHOP}")


def house(**changes: object) -> House:
    return House(settings=AuthSettings(origins=(SHOP, BLOG), public=True, **changes))


async def form_token(house: House, origin: str = SHOP) -> str:
    made = await house.auth.form_token(request("GET", "/form-token", {"Origin": origin}))
    return str(made["formToken"])


async def fault(house: House, token: object, caller: Caller = FORM) -> str:
    with pytest.raises(Problem) as caught:
        await house.auth.check_form_token(token, caller)
    assert (caught.value.code, caught.value.field) == ("invalid_field", "formToken")
    return caught.value.detail


async def test_a_form_token_says_when_it_may_be_used():
    made = await house().auth.form_token(request("GET", "/form-token", {"Origin": SHOP}))
    assert made["notBefore"] == "2026-03-01T12:00:03.000Z"
    assert made["expiresAt"] == "2026-03-01T13:00:00.000Z"
    assert set(made) == {"formToken", "notBefore", "expiresAt"}
    assert len(made["formToken"]) >= 16
    assert made["formToken"].isascii()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_only_pages_of_an_allowed_origin_get_one(origin: str):
    with pytest.raises(Problem) as caught:
        await form_token(house(), origin)
    assert caught.value.code == "forbidden"


async def test_a_form_token_is_good_from_three_seconds_to_an_hour():
    here = house()
    token = await form_token(here)
    assert "too young" in await fault(here, token)
    for seconds in (3, 1_797, 1_800):
        here.clock.later(seconds)
        await here.auth.check_form_token(token, FORM)
    here.clock.later(0.001)
    assert "expired" in await fault(here, token)


async def test_a_form_token_is_good_on_every_instance():
    made, checked = house(), house()
    checked.clock.later(10)
    await checked.auth.check_form_token(await form_token(made), FORM)


async def test_two_form_tokens_of_the_same_moment_differ():
    here = house()
    assert len({await form_token(here) for _ in range(10)}) == 10


async def test_a_form_token_of_another_origin_is_wrong():
    here = house()
    token = await form_token(here, BLOG)
    here.clock.later(10)
    assert "not made here" in await fault(here, token)
    await here.auth.check_form_token(token, Caller(CallerKind.FORM, f"form:{BLOG}"))


async def test_no_other_spelling_of_a_form_token_is_one():
    here = house()
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
async def test_a_forged_form_token_is_wrong(token: object):
    assert await fault(house(), token)


async def test_a_form_token_is_a_must_only_where_it_is_said_and_only_for_browsers():
    await house().auth.check_form_token(None, FORM)
    must = house(form_token_required=True)
    assert "GET /form-token" in await fault(must, None)
    await must.auth.check_form_token(None, Caller(CallerKind.TOKEN, "zapier"))
    await must.auth.check_form_token("as they like", Caller(CallerKind.TOKEN, "zapier"))
