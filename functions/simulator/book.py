"""Which fault strikes now: what a prompt names, then what POST /_faults asked for, in that order."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from .case import Case
from .faults import FAULTS, Fault
from .routes import Endpoint
from .shapes import Progress

ANY = "any"
_IN_PROMPT = re.compile(r"\[fault:([\w-]+(?:@[\w-]+)?)\]")


@dataclass(frozen=True)
class Wish:
    """A fault, and where it is to strike; written `name`, or `name@endpoint`."""

    fault: Fault
    at: tuple[Endpoint, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """The wish that is written; ValueError says what is wrong with it."""
        name, _, place = text.partition("@")
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name!r}: GET /_faults lists them")
        fault = FAULTS[name]
        return cls(fault, (_place(fault, place),) if place else fault.usual)


@dataclass
class Rule:
    """What POST /_faults asked for: so many times, or a share of all chances, or (neither) always."""

    text: str
    places: tuple[Endpoint, ...]  # empty: where the fault usually strikes
    times: int | None
    share: float | None

    @classmethod
    def of(cls, wanted: Mapping[str, Any]) -> Self:
        """The rule of a body `{"fault", "times" | "share", "for"}`; ValueError says what is wrong with it."""
        name, times, share, place = (wanted.get(key) for key in ("fault", "times", "share", "for"))
        if name != ANY:
            Wish.of(f"{name}@{place}" if place else str(name))
        if times is not None and not (isinstance(times, int) and times > 0):
            raise ValueError("times must be a whole number above 0")
        if share is not None and not (isinstance(share, int | float) and 0 <= share <= 1):
            raise ValueError("share must be between 0 and 1")
        return cls(str(name), (Endpoint(place),) if place else (), times, share)

    def strikes_at(self, place: Endpoint) -> list[Fault]:
        """The faults of single requests that this rule may bring there; `any` brings each that fits."""
        if self.text == ANY:
            fit = not self.places or place in self.places
            return [f for f in FAULTS.values() if fit and place in f.at and not f.story]
        fault = FAULTS[self.text]
        return [fault] if place in (self.places or fault.usual) and not fault.story else []

    def stories(self) -> list[str]:
        """The stories that this rule may bring to a run, as the ledger writes them."""
        if self.text == ANY:
            return [f.name for f in FAULTS.values() if f.story and set(self.places or f.at) & set(f.at)]
        place = f"@{self.places[0]}" if self.places else ""
        return [self.text + place] if FAULTS[self.text].story else []

    def to_json(self) -> dict[str, Any]:
        """The rule as it stands."""
        return {"fault": self.text, "for": [*self.places], "times": self.times, "share": self.share}


class Book:
    """The rules that hold, and how often each prompt was struck."""

    def __init__(self, chance: random.Random) -> None:
        self.rules: list[Rule] = []
        self.struck: Counter[str] = Counter()  # by name of fault
        self._chance = chance
        self._given: Counter[tuple[str, str, Endpoint]] = Counter()

    def strike(self, case: Case) -> Fault | None:
        """The fault of this one request; stories are none."""
        return self._by_prompt(case) or self._by_rule(case.call.endpoint)

    def stories(self, prompt: str) -> tuple[str, ...]:
        """The faults of a run that starts now, as the ledger writes them."""
        named = [text for wish, text in _wishes(prompt) if wish.fault.story]
        drawn = [self._chance.choice(some) for rule in self.rules if (some := rule.stories()) and self._due(rule)]
        return tuple(dict.fromkeys(named + drawn))

    def settle(self, prompt: str) -> None:
        """A prompt got its run: the same prompt, sent again, is struck again."""
        for key in [key for key in self._given if key[0] == prompt]:
            del self._given[key]

    def _by_prompt(self, case: Case) -> Fault | None:
        place, who = case.call.endpoint, case.run.execution_id if case.run else case.prompt
        for wish, _ in _wishes(case.prompt):
            counted = (who, wish.fault.name, place)
            spent = wish.fault.times is not None and self._given[counted] >= wish.fault.times
            if place in wish.at and not wish.fault.story and not spent:
                self._given[counted] += 1
                return wish.fault
        return None

    def _by_rule(self, place: Endpoint) -> Fault | None:
        for rule in self.rules:
            candidates = rule.strikes_at(place)
            if candidates and self._due(rule):
                return self._chance.choice(candidates)
        return None

    def _due(self, rule: Rule) -> bool:
        if rule.share is not None and self._chance.random() >= rule.share:
            return False
        if rule.times is not None:
            rule.times -= 1
            self.rules = [kept for kept in self.rules if kept.times != 0]
        return True


def check_prompt(prompt: str) -> None:
    """ValueError for a prompt that names a fault that there is not."""
    list(_wishes(prompt))


def with_stories(told: Progress, endpoint: Endpoint) -> Progress:
    """What an endpoint tells of a run, by the faults of the run itself."""
    for text in told.run.stories:
        wish = Wish.of(text)
        if wish.fault.story and endpoint in wish.at:
            told = wish.fault.story(told)
    return told


def _wishes(prompt: str) -> Iterator[tuple[Wish, str]]:
    for text in _IN_PROMPT.findall(prompt):
        yield Wish.of(text), text


def _place(fault: Fault, text: str) -> Endpoint:
    if text not in fault.at:
        raise ValueError(f"{fault.name} strikes at {', '.join(fault.at)}, not at {text!r}")
    return Endpoint(text)
