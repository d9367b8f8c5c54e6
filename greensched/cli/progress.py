"""How far a run came: a bar with the time left on a terminal, lines with -v, else nothing."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from greensched.cli import say
from greensched.errors import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

BAR_AFTER_S: Final = 1.0  # what takes less needs no bar
TELL_EVERY_S: Final = 30.0  # without a terminal
TRUSTED_AFTER_S: Final = 3.0  # before that nothing is known of the time left


@contextmanager
def reading() -> Iterator[None]:
    """Tell on stderr which trace is being read, once that takes more than a second."""
    from greensched.readers.resolve import slow_reading

    def tell(text: str) -> None:
        say.tell(escape_control(text))

    token = slow_reading.set(tell)
    try:
        yield
    finally:
        slow_reading.reset(token)


class Progress:
    """Is told how far something is; remembers the last for who interrupts."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.what = ""
        self.share = 0.0
        self.counted = ""  # runs of a whole command, which the share is of then
        self.check: Callable[[], None] = lambda: None  # raises where Ctrl-C was lost
        self._bar: Any = None
        self._task: Any = None
        self.shows = sys.stderr.isatty() and say.level() >= say.NORMAL
        self._begin_s = self._stage_s = self._told_s = time.monotonic()
        self._first: tuple[float, float] | None = None  # when the share began, and where
        self._open = ExitStack()

    def __call__(self, what: str, share: float, counted: str = "") -> None:
        """Note that `share` is done: of `what`, or of all runs that are counted."""
        self.check()
        now_s = time.monotonic()
        self.share, self.counted = share, counted
        if what != self.what:
            self._next(what)
        if self._first is None:
            self._first = now_s, share  # a sweep goes on where another was interrupted
        if self.shows and now_s - self._begin_s > BAR_AFTER_S:
            self._draw()
        elif counted and not self.shows and now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            if self.left or not counted.startswith("0 "):  # before that there is nothing to tell
                say.tell(", ".join(filter(None, (counted, self.left))))

    def __enter__(self) -> Self:
        """Tell from now on also of traces that take long to read; return itself."""
        self._open.enter_context(reading())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away, whatever happened."""
        self._open.close()
        if self._bar is not None:
            self._bar.stop()
        if kind is None and self.what:
            self._next("")

    @property
    def text(self) -> str:
        """Return how far it came, in words."""
        if not self.what:
            return "before the first run began"
        if self.counted:
            return f"after {self.counted}, in '{self.what}'"
        return f"at {100 * self.share:.0f} % of '{self.what}'"

    @property
    def left(self) -> str:
        """Return what is left if the rest takes as long as what is done, in words."""
        begin_s, first = self._first or (0.0, 1.0)
        took_s = time.monotonic() - begin_s
        if self.share <= first or took_s < TRUSTED_AFTER_S:
            return ""
        return f"about {span(took_s * (1.0 - self.share) / (self.share - first))} left"

    def _next(self, what: str) -> None:
        """Go on to another run."""
        now_s = time.monotonic()
        if self.what:
            say.tell(f"{self.what}: {now_s - self._stage_s:.1f} s", at=say.VERBOSE)
        self.what, self._stage_s = what, now_s
        if not self.counted:
            self._first = None

    def _draw(self) -> None:
        """Draw the bar; rich is imported only now."""
        if self._bar is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
            )
            from rich.progress import Progress as Bar
            from rich.table import Column

            columns = (
                TextColumn("{task.fields[counted]}"),
                BarColumn(bar_width=20),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                TextColumn(
                    "{task.description}",
                    markup=False,
                    table_column=Column(no_wrap=True, overflow="ellipsis"),
                ),
            )
            console = Console(stderr=True, no_color=not say.is_colour(err=True))
            self._bar = Bar(*columns, console=console, transient=True)
            self._task = self._bar.add_task(self.what, total=1.0, counted="", left="")
            self._bar.tasks[0].start_time = self._begin_s
            self._bar.start()
        self._bar.update(
            self._task,
            completed=self.share,
            description=self.what,
            counted=self.counted,
            left=self.left,
        )


def span(time_s: float) -> str:
    """Return a time, roughly."""
    if time_s < 90:  # noqa: PLR2004 above it seconds are no longer read
        return f"{time_s:.0f} s"
    return f"{time_s / 60:.0f} min" if time_s < 5400 else f"{time_s / 3600:.1f} h"  # noqa: PLR2004
