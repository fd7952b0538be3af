"""One line of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured, and how it compares with the `plain` way of doing the same."""

    what: str
    value: float
    unit: str
    plain: float | None = None

    def __str__(self) -> str:
        ratio = f"{self.value / self.plain:6.2f} x plain" if self.plain else ""
        return f"{self.what:<64}{self.value:>10.3f} {self.unit:<9}{ratio}".rstrip()
