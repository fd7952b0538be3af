"""One line of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured, and how it compares with the `plain` way of doing the same.

    `at_least`: the target of the ratio; `at_most`: that of the value.
    """

    what: str
    value: float
    unit: str
    plain: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def missed(self) -> bool:
        """Whether a target is missed."""
        too_low = self.at_least is not None and self.plain is not None and self.value / self.plain < self.at_least
        return too_low or (self.at_most is not None and self.value > self.at_most)

    def __str__(self) -> str:
        ratio = f"{self.value / self.plain:6.2f} x plain" if self.plain else ""
        targets = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        targets += [f"at most {self.at_most:g} {self.unit}"] if self.at_most is not None else []
        target = f"  ({', '.join(targets)}{': MISSED' if self.missed else ''})" if targets else ""
        return f"{self.what:<64}{self.value:>10.3f} {self.unit:<9}{ratio}{target}".rstrip()
