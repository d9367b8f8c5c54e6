"""Narration: what a command tells on stderr, by how much was asked for."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from greensched.errors import GreenschedError

QUIET, NORMAL, VERBOSE, DEBUG = -1, 0, 1, 2
_LEVELS = {QUIET: logging.ERROR, NORMAL: logging.WARNING, VERBOSE: logging.INFO}
_state = {"level": NORMAL}


def set_level(level: int) -> None:
    """Set how much is told; also of what libraries and our own modules log."""
    _state["level"] = level
    logging.basicConfig(
        level=_LEVELS.get(level, logging.DEBUG) if level != DEBUG else logging.INFO,
        format="%(levelname)s: %(message)s",
        stream=sys.stderr,
        force=True,
    )
    logging.getLogger("greensched").setLevel(
        logging.DEBUG if level >= DEBUG else _LEVELS[max(QUIET, level)]
    )
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
