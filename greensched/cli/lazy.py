"""A group whose commands are imported when they are called: `--help` stays fast."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """A group with `lazy`: command -> (module:attribute, what it does in a line)."""

    def __init__(self, *, lazy: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        """Keep where the commands are; none is imported."""
        super().__init__(**settings)
        self.lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click calls it
        """Return the commands in the order of work, not of the alphabet."""
        return list(self.lazy)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 click calls it
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, with the nearest command where there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.lazy, n=1) if args else []
            if not near:
                raise
            what = f"No such command '{args[0]}'; did you mean '{near[0]}'?"
            raise click.UsageError(what, error.ctx) from None

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 click calls it
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands from what is known of them without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in self.lazy.items()])
