"""Narration: what a command tells on stderr, by how much was asked for."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from greensched.errors import escape_control

if TYPE_CHECKING:
    from greensched.errors import GreenschedError

QUIET, NORMAL, VERBOSE, DEBUG = -1, 0, 1, 2
_LEVELS = {
    QUIET: logging.ERROR,
    NORMAL: logging.WARNING,
    VERBOSE: logging.INFO,
    DEBUG: logging.DEBUG,
}
_state = {"level": NORMAL}


class _Echo(logging.Handler):
    """Prints log records on whatever stderr is now, a line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record; of a warning only its words."""
        text = record.getMessage().splitlines()[0]
        if record.name == "py.warnings":
            text = text.rpartition("Warning: ")[2]
        click.echo(f"{record.levelname.lower()}: {escape_control(text)}", err=True)


_ECHO = _Echo()


def set_level(level: int) -> None:
    """Set how much is told; also of what our own modules log and warn of."""
    _state["level"] = level
    for name in ("greensched", "py.warnings"):
        logger = logging.getLogger(name)
        logger.setLevel(_LEVELS[level])
        if _ECHO not in logger.handlers:
            logger.addHandler(_ECHO)
    logging.captureWarnings(capture=True)


def level() -> int:
    """Return how much is told."""
    return _state["level"]


def tell(text: str, *, at: int = NORMAL) -> None:
    """Print a line on stderr where so much is asked for."""
    if _state["level"] >= at:
        click.echo(text, err=True)


def is_colour(*, err: bool = False) -> bool:
    """Tell whether to print in colour: on a terminal, without NO_COLOR."""
    stream = sys.stderr if err else sys.stdout
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())


def findings(error: GreenschedError) -> None:
    """Print the findings of an error on stderr, one a line."""
    for finding in error.findings:
        click.echo(str(finding), err=True)
