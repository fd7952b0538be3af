"""The playground: a page on which people send a prompt and get the image.

It is a plain form for the workflow `default`, which pages/playground.js makes live: with the other workflows for those
who may list them, and with the token of its user.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import HTMLResponse

from shared.spending.money import dollars
from shared.workflows import DEFAULT, Mode, Model, Workflow, estimated_cost, public_workflow
from shared.workflows.models import TEN_RATIOS

from .html import Html, fill, html_page, join
from .job_page import price

TITLE = "Wireflow images"
MODULE = "playground.js"
RATIO, RESOLUTION = "aspect_ratio", "resolution"
LABELS = {RATIO: "Aspect ratio", RESOLUTION: "Resolution"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundView:
    """What the page depends on. `workflows`: those that its reader may see; `default`: the one of the plain form.

    `usd_per_credit`: in micro-dollars. `asks_token`: whether its requests need a token. `form_token`: whether they need
    a form token.
    """

    workflows: Sequence[Workflow]
    default: Workflow
    models: Sequence[Model]
    usd_per_credit: int
    asks_token: bool
    form_token: bool
    turnstile_key: str | None


def playground_page(view: PlaygroundView) -> HTMLResponse:
    """Return the page."""
    turnstile = view.turnstile_key if not view.asks_token else None
    form_token = view.form_token and not view.asks_token
    needs_script = form_token or turnstile is not None
    body = fill(
        "playground",
        bar=fill("bar", content=fill("heading")),
        models=json.dumps({model.name: _choices_of(model, view) for model in view.models}),
        form_token="required" if form_token else "",
        open="yes" if view.workflows else "",
        token=fill("token") if view.asks_token else Html(),
        choices=join(_choices(view)),
        image_hidden=Html() if _takes_image(view.default) else fill("hidden"),
        turnstile=join(_checks(turnstile, needs_script=needs_script)),
        send_hidden=fill("scripted") if needs_script else Html(),
        price=_price(view) and f"{_price(view)} per image",
    )
    page = join([body, fill("dialog")])
    return html_page(TITLE, page, module=MODULE, turnstile=turnstile is not None, form_targets=["'self'"])


def _choices_of(model: Model, view: PlaygroundView) -> dict[str, Any]:
    price = dollars(model.credits * view.usd_per_credit) if model.credits else None
    return {"resolutions": model.resolutions, "aspectRatios": model.aspect_ratios, "price": price}


def _checks(turnstile: str | None, *, needs_script: bool) -> Iterator[Html]:
    """What keeps bots out."""
    if needs_script:
        yield fill("needs_script")
    if turnstile:
        yield fill("turnstile", key=turnstile)


def _takes_image(workflow: Workflow) -> bool:
    """Whether a request may have an input image, as far as it is known."""
    return workflow.mode is not Mode.EXECUTE or any(model.input_images for model in workflow.allowed_models)


def _choices(view: PlaygroundView) -> list[Html]:
    """The fields beside the prompt. What a request of the plain form leaves empty counts as not sent."""
    names = [workflow.name for workflow in view.workflows]
    names.sort(key=lambda name: name != DEFAULT)
    found = [_select("workflow", "Workflow", [(name, name) for name in names])] if len(names) > 1 else []
    defaults = public_workflow(view.default, None)
    for name, standard in ((RATIO, defaults["aspectRatio"]), (RESOLUTION, defaults["resolution"])):
        if values := _values(view.default, name):
            options = [(value, _priced(view, name, value)) for value in [*([] if standard else [""]), *values]]
            found.append(_select(name, LABELS[name], options, standard))
    return found


def _values(workflow: Workflow, name: str) -> Sequence[str]:
    """The values that a request may choose. A webhook gets every field; whether it has such an input is not known."""
    if workflow.mode is Mode.WEBHOOK:
        return [value for value, _ in workflow.prices if value] if name == RESOLUTION else TEN_RATIOS
    return workflow.choices(name) if name in workflow.overridable else ()


def _priced(view: PlaygroundView, name: str, value: str) -> str:
    """The label of a choice, with the price of a resolution."""
    amount = _price(view, value) if name == RESOLUTION else ""
    return ", ".join(filter(None, [value or "Default", amount]))


def _price(view: PlaygroundView, resolution: str = "") -> str:
    """The price of an image; empty if it is not known, or not for this reader."""
    if not view.workflows:
        return ""
    cost = estimated_cost(view.default, json.dumps({RESOLUTION: resolution}), view.usd_per_credit)
    return price(dollars(cost.micros)) if cost else ""


def _select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str | None = None) -> Html:
    marks = {chosen: fill("selected")}
    choices = join(
        fill("option", value=value, selected=marks.get(value, Html()), label=text) for value, text in options
    )
    return fill("choice", name=name, label=label, options=choices)
