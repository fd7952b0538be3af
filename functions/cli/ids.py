"""The types of the arguments JOB and HOOK."""

from typing import Any

import click


class IdType(click.ParamType[str, Any]):
    """The type of an ID. `name`: of the argument; `of`: what it identifies; `listed_by`: the command that prints it."""

    def __init__(self, name: str, of: str, listed_by: str) -> None:
        self.name = name
        self._of, self._listed_by = of, listed_by

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the ID. Raises click.BadParameter if it is none."""
        if len(value) != 32 or not set(value) <= set("0123456789abcdef"):
            where = f"32 hexadecimal digits, as `{self._listed_by}` prints them."
            self.fail(f"{value!r} is not the ID of a {self._of}: {where}", param, ctx)
        return str(value)


JOB_ID = IdType("JOB", "job", "jobs list")
HOOK_ID = IdType("HOOK", "hook", "hooks list")
