"""The search for the smallest fleet: which sizes to try, and in which order.

A size is a pair: how many machines serve and how many compute, each pool kept in fleet order, so
that types are given up last-listed first. The search is a generator: it asks for sizes, the first
of which it needs and the others it may need next, and is told what is known. So it does not
depend on who tries them, nor on how many at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from greensched.experiment.size_probe import Verdict

Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A size to try: to the end, or by a scout that looks at the first part of the window."""

    size: Size
    scout: bool = False


Known: TypeAlias = "dict[Ask, Verdict]"
Search: TypeAlias = "Generator[list[Ask], Known, Found]"
# What is tried below a fleet that holds: one machine less, then two.
NEIGHBOURS: Final = ((-1, 0), (0, -1), (-2, 0), (-1, -1), (0, -2))
FIRST_STEP: Final = 16  # part of the machines that compute which is given up first


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The smallest fleet that holds (None: not even the largest does), and why no less does."""

    size: Size | None
    verdict: Verdict
    refused: tuple[tuple[Size, Verdict], ...] = ()
    tried: int = 0


def search(
    starts: tuple[Size, ...], floor: Size, most: Size, known: Known | None = None
) -> Search:
    """Return the search from the first of `starts` that holds, between `floor` and `most`.

    `known`: what need not be asked.

    1. Fewest machines that serve, then fewest that compute, each by bisection with scouts.
    2. The size found, to the end; where it does not hold, more of the pool that broke.
    3. One and two machines less, from either pool or both, until none of these holds.
    """
    known = {} if known is None else known
    start = None
    for size in starts:
        verdict = yield from _need(known, Ask(size=size))
        if verdict.held:
            start = size
            break
    if start is None:
        return Found(size=None, verdict=verdict, tried=len(known))
    online = yield from _bisect(known, floor[0] - 1, start[0], lambda n: (n, start[1]))
    low, high, step = floor[1] - 1, start[1], max(1, start[1] // FIRST_STEP)
    while high - step > low:  # most often few can be given up, so the first steps are small
        verdict = yield from _need(known, Ask(size=(online, high - step), scout=True))
        if not verdict.held:
            low = high - step
            break
        high, step = high - step, 2 * step
    batch = yield from _bisect(known, low, high, lambda n: (online, n))
    size = yield from _climb(known, (online, batch), start, floor)
    return (yield from _descend(known, size, floor, most))


def _descend(
    known: Known, size: Size, floor: Size, most: Size
) -> Generator[list[Ask], Known, Found]:
    """Return the size at which neither one nor two machines less hold.

    Where less holds, the next step in that direction is twice as long.
    """
    longer: tuple[Size, ...] = ()
    while True:
        steps = [*longer, *NEIGHBOURS]
        below = [_moved(size, step) for step in steps]
        below = [s for s in below if floor[0] <= s[0] <= most[0] and floor[1] <= s[1] <= most[1]]
        lower = None
        for i, one in enumerate(below):
            hints = [Ask(size=s) for s in below[i + 1 :]]
            verdict = yield from _need(known, Ask(size=one), hints)
            if verdict.held:
                lower = one
                break
        if lower is None:
            refused = tuple((s, known[Ask(size=s)]) for s in below)
            return Found(
                size=size, verdict=known[Ask(size=size)], refused=refused, tried=len(known)
            )
        longer = ((2 * (lower[0] - size[0]), 2 * (lower[1] - size[1])),)
        size = lower


def _need(
    known: Known, first: Ask, next_ones: list[Ask] | None = None
) -> Generator[list[Ask], Known, Verdict]:
    """Return the verdict on one size; others are asked for along with it."""
    while first not in known:
        more = [ask for ask in next_ones or [] if ask not in known]
        known.update((yield [first, *more]))
    return known[first]


def _bisect(
    known: Known, low: int, high: int, at: Callable[[int], Size]
) -> Generator[list[Ask], Known, int]:
    """Return the least number above `low`, at most `high`, at which a scout finds nothing."""

    def ask(n: int) -> Ask:
        return Ask(size=at(n), scout=True)

    while high - low > 1:
        middle = (low + high) // 2
        halves = [(low + middle) // 2, (middle + high) // 2]
        hints = [ask(n) for n in halves if low < n < high and n != middle]
        verdict = yield from _need(known, ask(middle), hints)
        low, high = (low, middle) if verdict.held else (middle, high)
    return high


def _climb(
    known: Known, size: Size, start: Size, floor: Size
) -> Generator[list[Ask], Known, Size]:
    """Return the first size from `size` towards `start` that holds to the end.

    Each pool grows by 1, 2, 4, ... machines while it is the one that broke something.
    """
    steps = [1, 1]
    while size != start:
        less = [Ask(size=_moved(size, (-1, 0)))] if size[0] > floor[0] else []
        verdict = yield from _need(known, Ask(size=size), less)
        if verdict.broken is None:
            return size
        pool = 0 if verdict.broken.is_service else 1
        if size[pool] == start[pool]:
            pool = 1 - pool
        grown = [*size]
        grown[pool] = min(start[pool], size[pool] + steps[pool])
        steps[pool] *= 2
        size = (grown[0], grown[1])
    return size


def _moved(size: Size, step: Size) -> Size:
    """Return a size with machines added to its pools."""
    return size[0] + step[0], size[1] + step[1]
