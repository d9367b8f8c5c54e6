"""The documentation's page of all commands with their options, as the code has them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

import click

from greensched.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = "greensched"
HEAD: Final = f"""# Commands

Data goes to stdout, narration to stderr; `-o` is the form of what is printed, `--out` a place that
files are written to. Exit codes are in [outputs](outputs.md#exit-codes-and-streams). `{NAME}
COMMAND --help` prints the same as this page, which is made of it.
"""
EVERYWHERE: Final = ("help", "quiet", "verbose")  # told once, above
COMMON: Final = """
Every command takes `--help`; most take `-q` (nothing but data and errors) and `-v` (more; `-vv`:
tracebacks too).
"""


def commands_page() -> str:
    """Return the page."""
    parts = [HEAD, COMMON]
    for path, command in _commands(main, (NAME,)):
        parts += _section(path, command)
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _commands(
    group: click.Group, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield path and command of all that is in a group, in its order."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


def _section(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    """Yield heading, usage, text and options of a command."""
    yield f"{'#' * len(path)} {' '.join(path[1:])}"
    context = click.Context(command, info_name=" ".join(path))
    yield f"    {' '.join((context.command_path, *command.collect_usage_pieces(context)))}"
    yield plain_text(command.help or "")
    rows = [_row(one, context) for one in command.params if isinstance(one, click.Option)]
    shown = [row for row in rows if row]
    if shown:
        yield "\n".join(("| option | what it does |", "|---|---|", *shown))


def _row(option: click.Option, context: click.Context) -> str:
    """Return an option as a row, empty where it is told elsewhere."""
    record = option.get_help_record(context)
    if option.hidden or record is None or option.name in (*EVERYWHERE, None):
        return ""
    names, told = record
    return f"| `{names}` | {plain(' '.join(told.split())).replace('|', '&#124;')} |"


def plain(text: str) -> str:
    """Return a line as Markdown that shows it as it is, but for what stands in backticks."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*")


def plain_text(text: str) -> str:
    """Return a help text as Markdown that shows it as it is, paragraph by paragraph."""
    paragraphs = inspect.cleandoc(text).replace("\b\n", "").split("\n\n")
    return "\n\n".join(plain(" ".join(one.split())) for one in paragraphs)
