"""The playground: a page on which people send a prompt and get the image.

It is a plain form for the workflow `default`, which pages/page.js makes live: with the other workflows for those who
may list them, and with the token of its user.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import HTMLResponse

from shared.workflows import DEFAULT, Mode, Model, Workflow
from shared.workflows.models import TEN_RATIOS

from .html import Html, fill, html_page, join
from .job_page import price

TITLE = "Wireflow images"
RATIO, RESOLUTION = "aspect_ratio", "resolution"
LABELS = {RATIO: "Aspect ratio", RESOLUTION: "Resolution"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundView:
    """What the page depends on. `workflows`: those that its reader may see; `default`: the one of the plain form.

    `asks_token`: whether its requests need a token. `form_token`: whether they need a form token.
    """

    workflows: Sequence[Workflow]
    default: Workflow
    models: Sequence[Model]
    asks_token: bool
    form_token: bool
    turnstile_key: str | None


def playground_page(view: PlaygroundView) -> HTMLResponse:
    """Return the page."""
    turnstile = view.turnstile_key if not view.asks_token else None
    body = fill(
        "playground",
        models=json.dumps({model.name: _choices_of(model) for model in view.models}),
        form_token="required" if view.form_token and not view.asks_token else "",
        open="yes" if view.workflows else "",
        token=fill("token") if view.asks_token else Html(),
        choices=join(_choices(view)),
        turnstile=fill("turnstile", key=turnstile) if turnstile else Html(),
        price=_price(view.default) if view.workflows else "",
    )
    page = join([body, fill("dialog")])
    return html_page(TITLE, page, scripted=True, turnstile=turnstile is not None, form_targets=["'self'"])


def _choices_of(model: Model) -> dict[str, Sequence[str]]:
    return {"resolutions": model.resolutions, "aspectRatios": model.aspect_ratios}


def _choices(view: PlaygroundView) -> list[Html]:
    """The fields beside the prompt. What a request of the plain form leaves empty counts as not sent."""
    names = [workflow.name for workflow in view.workflows]
    names.sort(key=lambda name: name != DEFAULT)
    found = [_select("workflow", "Workflow", [(name, name) for name in names])] if len(names) > 1 else []
    for name, label in LABELS.items():
        if values := _values(view.default, name):
            found.append(_select(name, label, [("", "Default"), *values]))
    return found


def _values(workflow: Workflow, name: str) -> list[tuple[str, str]]:
    """The values that a request may choose, with their labels."""
    prices = {resolution: amount for resolution, amount in workflow.prices if resolution}
    values: Sequence[str] = ()
    if workflow.mode is Mode.EXECUTE and name in workflow.overridable:
        values = workflow.choices(name)
    elif workflow.mode is Mode.WEBHOOK:  # it gets every field; whether it has such an input is not known
        values = [*prices] if name == RESOLUTION else TEN_RATIOS
    priced = prices if name == RESOLUTION else {}
    return [(value, f"{value}, {price(priced[value])}" if value in priced else value) for value in values]


def _select(name: str, label: str, options: Sequence[tuple[str, str]]) -> Html:
    choices = join(fill("option", value=value, label=text) for value, text in options)
    return fill("choice", name=name, label=label, options=choices)


def _price(workflow: Workflow) -> str:
    amount = dict(workflow.prices).get(None)
    return f"{price(amount)} per image" if amount else ""
