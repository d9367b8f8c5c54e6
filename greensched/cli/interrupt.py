"""Ctrl-C that is not lost: libraries swallow the exception, or make another one of it."""

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


class Interrupts:
    """Remembers that Ctrl-C was pressed; `check` raises where the exception was lost."""

    def __init__(self) -> None:
        """Begin without one."""
        self.pressed = False
        self.before: Any = None  # what else is to be told of it

    def check(self) -> None:
        """Raise KeyboardInterrupt where Ctrl-C was pressed before."""
        if self.pressed:
            raise KeyboardInterrupt

    def note(self, number: int, frame: Any) -> None:
        """Remember it, and interrupt what runs now."""
        self.pressed = True
        if isinstance(getattr(self.before, "__self__", None), Interrupts):
            self.before(number, frame)
        raise KeyboardInterrupt


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Yield what remembers Ctrl-C for the time of the block; as it was before, afterwards.

    What a library raises once it was pressed (DuckDB: "Query interrupted") is an interrupt.
    """
    noted = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield noted  # only the main thread is told of signals
        return
    before, hook = signal.signal(signal.SIGINT, noted.note), sys.unraisablehook
    noted.before = before

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
        signal.signal(signal.SIGINT, before)
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
