"""Ctrl-C that is not lost: libraries swallow the exception, or make another one of it.

SIGTERM, by which `timeout`, a batch system or a container's end stops a command, is taken as
Ctrl-C: so what was started ends too, and nothing is left behind.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from greensched.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = 130  # the exit code
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Remembers that Ctrl-C was pressed; `check` raises where the exception was lost."""

    def __init__(self) -> None:
        """Begin without one."""
        self.pressed = False
        self.before: dict[int, Any] = {}  # what was told of each signal before

    def check(self) -> None:
        """Raise KeyboardInterrupt where Ctrl-C was pressed before."""
        if self.pressed:
            raise KeyboardInterrupt

    def note(self, number: int, frame: Any) -> None:
        """Remember it, and interrupt what runs now."""
        self.pressed = True
        before = self.before[number]
        if _is_noted(before):
            before(number, frame)
        raise KeyboardInterrupt


def _is_noted(handler: Any) -> bool:
    """Say whether a handler of signals is one of ours."""
    return isinstance(getattr(handler, "__self__", None), Interrupts)


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Yield what remembers Ctrl-C and SIGTERM for the block; as it was before, afterwards.

    What a library raises once it was pressed (DuckDB: "Query interrupted") is an interrupt.
    """
    noted = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield noted  # only the main thread is told of signals
        return
    hook = sys.unraisablehook
    for number in SIGNALS:
        before = signal.getsignal(number)
        if number == signal.SIGINT or before == signal.SIG_DFL or _is_noted(before):
            noted.before[number] = before
            signal.signal(number, noted.note)

    def quiet(lost: Any) -> None:
        """Keep quiet about a lost KeyboardInterrupt: it is raised again."""
        if lost.exc_type is not KeyboardInterrupt:
            hook(lost)

    sys.unraisablehook = quiet
    try:
        yield noted
    except Exception as error:
        if noted.pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        for each, before in noted.before.items():
            signal.signal(each, before)
        sys.unraisablehook = hook


@contextmanager
def interruptible() -> Iterator[Progress]:
    """Yield a progress; interrupted, say how far it came and exit with 130, nothing written."""
    progress = Progress()
    try:
        with noted_interrupts() as noted, progress:
            progress.check = noted.check
            yield progress
    except KeyboardInterrupt:
        click.echo(f"interrupted {progress.text}; nothing was written", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
