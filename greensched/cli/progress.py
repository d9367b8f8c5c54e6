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
    """Takes `(what, share)` as a run advances; remembers the last for who interrupts."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.what = ""
        self.share = 0.0
        self.check: Callable[[], None] = lambda: None  # raises where Ctrl-C was lost
        self._bar: Any = None
        self._task: Any = None
        self.shows = sys.stderr.isatty() and say.level() >= say.NORMAL
        self._begin_s = time.monotonic()
        self._stage_s = self._begin_s
        self._open = ExitStack()

    def __call__(self, what: str, share: float) -> None:
        """Note that `share` of `what` is done."""
        self.check()
        if what != self.what:
            self._next(what)
        self.share = share
        if self.shows and time.monotonic() - self._begin_s > BAR_AFTER_S:
            self._draw()

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
        return f"at {100 * self.share:.0f} % of '{self.what}'"

    def _next(self, what: str) -> None:
        """Go on to another run."""
        now_s = time.monotonic()
        if self.what:
            say.tell(f"{self.what}: {now_s - self._stage_s:.1f} s", at=say.VERBOSE)
        self.what, self.share, self._stage_s = what, 0.0, now_s
        if self._bar is not None and what:
            self._bar.reset(self._task, description=what)

    def _draw(self) -> None:
        """Draw the bar; rich is imported only now."""
        if self._bar is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                TaskProgressColumn,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
            )
            console = Console(stderr=True, no_color=not say.is_colour(err=True))
            self._bar = Bar(*columns, console=console, transient=True)
            self._task = self._bar.add_task(self.what, total=1.0)
            self._bar.start()
        self._bar.update(self._task, completed=self.share)
