"""`completion`: a shell's script."""

from __future__ import annotations

import click

from greensched.cli.options import verbosity

SHELLS = ("bash", "zsh", "fish")


# \b is click's mark of lines that are kept as they are; in a docstring it would be a backslash.
HELP = """Print the completion script of SHELL, to be sourced by it.

\b
bash, zsh:  eval "$(greensched completion bash)"
fish:       greensched completion fish | source
"""


@click.command(help=HELP)
@click.argument("shell", type=click.Choice(SHELLS))
@verbosity
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from greensched.cli.main import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "greensched", "_GREENSCHED_COMPLETE").source())
