"""The option `--field`: a name and a value."""

from typing import Any

import click


class FieldType(click.ParamType[tuple[str, str], Any]):
    """The type of `--field`. A value may contain `=`, and may be empty."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return name and value. Raises click.BadParameter if there is no name or no `=`."""
        name, equals, text = value.partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not NAME=VALUE, such as style=watercolor.", param, ctx)
        return name, text
