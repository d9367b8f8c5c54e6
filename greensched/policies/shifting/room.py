"""Free cores over time as a step function that jobs take from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from greensched.model import IntArray

GROWTH = 1_024  # steps by which the columns grow


class Room:
    """`free[i]` [thousandths of a core] from tick `at[i]` until the next; the last never ends.

    What lies before the earliest tick that can still be asked for is dropped by `forget`, so that
    a year costs no more than its busiest days.
    """

    __slots__ = ("_at", "_first", "_free", "_last", "cpu_m")

    def __init__(self, cpu_m: int, since: int) -> None:
        """Begin with `cpu_m` free from tick `since` on."""
        self.cpu_m = cpu_m
        self._at = np.zeros(GROWTH, np.int64)
        self._free = np.zeros(GROWTH, np.int64)
        self._at[0], self._free[0] = since, cpu_m
        self._first, self._last = 0, 1

    @classmethod
    def beside(cls, cpu_m: int, start: IntArray, stop: IntArray, taken: IntArray) -> Room:
        """Return what ranges `[start, stop)`, from tick 0 on, leave that take so much each."""
        at, step = np.unique(np.concatenate(([0], start, stop)), return_inverse=True)
        change = np.zeros(len(at), np.int64)
        np.add.at(change, step[1:], np.concatenate((-taken, taken)))
        room = cls(cpu_m, 0)
        room._last = len(at)
        room._at, room._free = np.zeros((2, len(at) + GROWTH), np.int64)
        room._at[: len(at)], room._free[: len(at)] = at, cpu_m + np.cumsum(change)
        return room

    def window(self, first: int, stop: int) -> tuple[IntArray, IntArray]:
        """Return the ticks at which steps begin within `[first, stop)`, and what is free on each.

        The first is `first` itself.
        """
        at = self._at[self._first : self._last]
        low = int(at.searchsorted(first, side="right")) - 1
        high = int(at.searchsorted(stop, side="left"))
        assert low >= 0  # what was forgotten is not asked for
        begin = at[low:high].copy()
        begin[0] = first
        return begin, self._free[self._first + low : self._first + high]

    def has(self, start: int, stop: int, cpu_m: int) -> bool:
        """Tell whether `cpu_m` is free on all of `[start, stop)`."""
        return int(self.window(start, stop)[1].min()) >= cpu_m

    def take(self, start: int, stop: int, cpu_m: int) -> None:
        """Take `cpu_m` on `[start, stop)`; it must be free."""
        if self._last + 2 > len(self._at):
            self._grow()
        low, high = self._split(start), self._split(stop)
        self._free[low:high] -= cpu_m

    def forget(self, before: int) -> None:
        """Drop the steps that end by tick `before`."""
        at = self._at[self._first : self._last]
        self._first += max(0, int(at.searchsorted(before, side="right")) - 1)

    def _split(self, tick: int) -> int:
        """Return the row of the step that begins at `tick`, made if there is none."""
        row = self._first + int(self._at[self._first : self._last].searchsorted(tick))
        if row < self._last and self._at[row] == tick:
            return row
        end = self._last
        self._at[row + 1 : end + 1] = self._at[row:end]
        self._free[row + 1 : end + 1] = self._free[row:end]
        self._at[row], self._free[row] = tick, self._free[row - 1]
        self._last = end + 1
        return row

    def _grow(self) -> None:
        """Drop what was forgotten and make the columns longer."""
        steps = self._last - self._first
        for name in ("_at", "_free"):
            column = getattr(self, name)
            grown = np.empty(steps + max(GROWTH, steps), np.int64)
            grown[:steps] = column[self._first : self._last]
            setattr(self, name, grown)
        self._first, self._last = 0, steps
