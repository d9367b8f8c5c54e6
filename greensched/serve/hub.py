"""Looks at every watched place in the background, and tells who listens what has changed."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from greensched.errors import GreenschedError
from greensched.serve import page
from greensched.serve.board import board_of
from greensched.serve.charts import charts
from greensched.serve.look import UNREACHABLE, Alarm, Look
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import tzinfo

    from greensched.report.charts import Chart
    from greensched.serve.board import Board
    from greensched.serve.look import Watch

log = logging.getLogger("greensched")
CALM_S: Final = 1.0  # changes that come together are shown together
TICK_S: Final = 20.0  # after it times such as `in 5 min` are written anew


class Hub:
    """What is shown now, as it was last put together, in versions that are counted."""

    def __init__(
        self, watches: Sequence[Watch], target_g: float | None = None, zone: tzinfo | None = None
    ) -> None:
        """Begin with places that nobody has looked at yet."""
        self._watches, self._target_g, self.zone = tuple(watches), target_g, zone
        self._looks = {i: _unseen(w) for i, w in enumerate(self._watches)}
        self._boot = secrets.token_hex(4)  # of another process versions cannot be compared
        self._changed = asyncio.Event()
        self._shown = asyncio.Condition()
        self.is_stopping = False
        self._sections: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        self._version = 0
        self.board = board_of(list(self._looks.values()), _now_ms(), target_g, zone)
        self.charts: dict[str, Chart] = {}
        self.html = ""

    @property
    def version(self) -> str:
        """Return what names the page as it is now."""
        return f"{self._boot}-{self._version}"

    def watch(self, number: int) -> Watch | None:
        """Return a watched place, in the order in which they are shown; None: there is none."""
        return self._watches[number] if 0 <= number < len(self._watches) else None

    def since(self, version: str) -> dict[str, str]:
        """Return the sections that have changed since a version; all, where it is not known."""
        boot, _, count = version.partition("-")
        seen = int(count) if boot == self._boot and count.isdecimal() else -1
        return {n: html for n, html in self._sections.items() if self._versions[n] > seen}

    async def changed(self, version: str, patience_s: float) -> bool:
        """Wait until the page is another than `version`; False: that took too long."""
        try:
            async with asyncio.timeout(patience_s), self._shown:
                await self._shown.wait_for(lambda: self.is_stopping or self.version != version)
        except TimeoutError:
            return False
        return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look at all places once, then again and again until the end."""
        firsts = [self._look(i) for i in range(len(self._watches))]
        await asyncio.gather(*firsts)
        await self._show()
        tasks = [asyncio.create_task(self._follow(i)) for i in range(len(self._watches))]
        tasks.append(asyncio.create_task(self._keep_showing()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Let everybody who waits for a change go."""
        async with self._shown:
            self.is_stopping = True
            self._shown.notify_all()

    async def _follow(self, number: int) -> None:
        while True:
            await asyncio.sleep(self._watches[number].period_s)
            await self._look(number)

    async def _look(self, number: int) -> None:
        """Look at a place; what cannot be read is an alarm, and the last that was seen stays."""
        watch, now_ms = self._watches[number], _now_ms()
        try:
            seen = await asyncio.to_thread(watch.look, now_ms)
        except GreenschedError as error:
            seen = _unreadable(watch, now_ms, str(error.findings[0]))
        except Exception as error:  # one broken place must not end the watch over others
            log.exception("%s", watch.title)
            seen = _unreadable(watch, now_ms, f"{type(error).__name__}: {error}")
        self._looks[number] = seen
        self._changed.set()

    async def _keep_showing(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TICK_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(CALM_S)
            self._changed.clear()
            try:
                await self._show()
            except Exception:
                log.exception("the page cannot be made; the last one stays")

    async def _show(self) -> None:
        """Put all together and render it; sections that are as before keep their version."""
        looks = [self._looks[i] for i in range(len(self._watches))]
        board, made, rendered = await asyncio.to_thread(self._rendered, looks)
        changed = [name for name, html in rendered.items() if self._sections.get(name) != html]
        self.board, self.charts = board, made
        if changed:
            async with self._shown:
                self._version += 1
                self._versions |= dict.fromkeys(changed, self._version)
                self._sections = rendered
                self.html = page.whole(rendered, self.version, board.at_ms)
                self._shown.notify_all()

    def _rendered(self, looks: list[Look]) -> tuple[Board, dict[str, Chart], dict[str, str]]:
        """Return the board, its charts and sections; of many jobs that takes a while."""
        board = board_of(looks, _now_ms(), self._target_g, self.zone)
        made = charts(board, self.zone)
        return board, made, page.sections(board, made, self.zone)


def _unseen(watch: Watch) -> Look:
    return Look(title=watch.title, kind=watch.kind, at_ms=0, facts=(("state", "is being read"),))


def _unreadable(watch: Watch, now_ms: int, what: str) -> Look:
    """Return what is shown of a place that cannot be read."""
    alarm = Alarm(kind=UNREACHABLE, where=watch.title, what=what)
    facts = (("state", "cannot be read"),)
    return Look(title=watch.title, kind=watch.kind, at_ms=now_ms, alarms=(alarm,), facts=facts)


def _now_ms() -> int:
    return int(time.time() * MS_PER_S)
