"""The search for the smallest fleet: which sizes to try, and in which order.

A size is a pair: how many machines serve and how many compute, each pool kept in fleet order, so
that types are given up last-listed first. The search is a generator: it asks for sizes, the first
of which it needs and the others it may need next, and is told what is known. So it does not
depend on who tries them, nor on how many at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from greensched.experiment.size_probe import HOPELESS

if TYPE_CHECKING:
    from collections.abc import Generator

    from greensched.experiment.size_probe import Verdict

Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A size to try: with all that runs, or by a scout that looks at services alone."""

    size: Size
    scout: bool = False


Known: TypeAlias = "dict[Ask, Verdict]"
Search: TypeAlias = "Generator[list[Ask], Known, Found]"
# What is tried below a fleet that holds: one machine less, then two.
NEIGHBOURS: Final = ((-1, 0), (0, -1), (-2, 0), (-1, -1), (0, -2))
FIRST_STEP: Final = 16  # part of the machines that compute which is given up first
NEAR: Final = 64.0  # between two shortages: near enough to reckon where what is allowed is met
AIM: Final = 0.75  # of the shortage allowed: jobs beside the services bring a little more
AHEAD: Final = 3  # of the sizes that may be needed if all before them break
LOWER: Final = 1 / 3  # of a bracket: what breaks is told early, what holds only at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The smallest fleet that holds (None: not even the largest does), and why no less does.

    A `fixed` one is what it is by definition, whether it holds or not.
    """

    size: Size | None
    verdict: Verdict
    refused: tuple[tuple[Size, Verdict], ...] = ()
    tried: int = 0
    fixed: bool = False


def search(starts: tuple[Size, ...], floor: Size, known: Known | None = None) -> Search:
    """Return the search below the first of `starts` that holds, down to `floor`.

    Where none does, what the second breaks is told: the whole fleet as static-peak gives it out.

    `known`: what need not be asked.

    1. Fewest machines that serve, by scouts.
    2. With these, fewest that compute; more that serve as long as services break something.
    3. One and two machines less, from either pool or both, until none of these holds.
    """
    known = {} if known is None else known
    for start in starts:
        serve = yield from _serving(known, floor[0] - 1, start)
        size = yield from _walk(known, serve, start, floor)
        if size is not None:
            return (yield from _descend(known, size, floor))
    return Found(size=None, verdict=known[Ask(size=starts[:2][-1])], tried=len(known))


def _serving(known: Known, low: int, start: Size) -> Generator[list[Ask], Known, int]:
    """Return about the fewest machines that serve with which a scout finds nothing.

    More than `low`, at most those of `start`. The shortage that scouts tell falls about
    exponentially with machines: it says where to look next and, once both sides are near what is
    allowed, where that is met with some to spare.
    """
    high, compute = start
    short: dict[int, float | None] = {}
    while high - low > 1:
        least, most = short.get(low), short.get(high)
        if least and most and most <= 1.0 < least < HOPELESS and least / most <= NEAR:
            return min(start[0], _met(low, high, least, most, AIM))
        at = low + max(1, round(LOWER * (high - low)))
        if least and most and most <= 1.0 < least:
            at = min(high - 1, max(low + 1, _met(low, high, least, most, 1.0)))
        verdict = yield from _need(known, Ask(size=(at, compute), scout=True))
        short[at] = verdict.shortage
        low, high = (low, at) if verdict.held else (at, high)
    return high


def _met(low: int, high: int, least: float, most: float, aim: float) -> int:
    """Return the fewest machines with a shortage of `aim`, by those of `low` and `high`."""
    share = math.log(least / aim) / math.log(least / most)
    return low + math.ceil(share * (high - low))


def _walk(
    known: Known, fewest: int, start: Size, floor: Size
) -> Generator[list[Ask], Known, Size | None]:
    """Return the smallest size up to `start` that was seen to hold; None: none was.

    What computes is looked for between a number that was too small and one that kept jobs. What
    serves is `fewest`, and grows by 1, and more later, where services break something: once a
    size holds, only as long as that may lead to fewer machines in all. What kept jobs beside too
    few that serve is not tried again beside more of them before less was.
    """
    serve, low, high = fewest, floor[1] - 1, start[1]
    first, best, near = max(1, high // FIRST_STEP), None, False
    least: Size | None = None
    while best is None or best[1] - low > 1:
        size = serve, _lower(low, high, first)
        more = min(start[0], serve + max(1, (serve - fewest) // 2))
        larger = _upwards(more, low, size[1], first) if near and low >= floor[1] else []
        hints = [*larger, *_after(size, low, high, first), (more, size[1])]
        if size[1] - low <= 1:  # the last one, if it holds
            hints = [*_below(size, floor), *hints]
        verdict = yield from _need(known, Ask(size=size), hints)
        if verdict.jobs_kept:
            near = (verdict.shortage or 0.0) > AIM
        grows = serve < start[0] and (best is None or more + size[1] < sum(best))
        if verdict.broken is None:
            best, high, first = size, size[1], 2 * first
            least = min(size, least or size, key=sum)  # more may serve than fewer that compute
        elif grows and (verdict.broken.is_service or size[1] == start[1]):
            serve, high = more, size[1] if verdict.jobs_kept else high
        elif size == start:
            return None
        else:
            low = size[1]
            if low == high:  # it kept jobs beside fewer that serve alone
                high = start[1] if best is None else best[1]
    return least


def _after(size: Size, low: int, high: int, first: int) -> list[Size]:
    """Return what may be needed after `size`: if jobs break, which is told early, or if not."""
    serve, compute = size
    return [
        *_upwards(serve, compute, high, first)[:1],
        *_upwards(serve, low, compute, 2 * first),
    ]


def _upwards(serve: int, low: int, high: int, step: int) -> list[Size]:
    """Return what is tried between two numbers that compute, one after the other if all breaks."""
    found = [_lower(low, high, step)]
    while len(found) < AHEAD and high - found[-1] > 1:
        found.append(_lower(found[-1], high, step))
    return [(serve, compute) for compute in found]


def _lower(low: int, high: int, step: int) -> int:
    """Return what to try next between two numbers; the larger where there is none."""
    if high - low <= 1:
        return high
    return max(high - step, low + max(1, round(LOWER * (high - low))))


def _descend(known: Known, size: Size, floor: Size) -> Generator[list[Ask], Known, Found]:
    """Return the size at which neither one nor two machines less hold.

    Where less holds, the next step in that direction is twice as long.
    """
    longer: tuple[Size, ...] = ()
    while True:
        below = _below(size, floor, longer)
        lower = None
        for i, one in enumerate(below):
            verdict = yield from _need(known, Ask(size=one), below[i + 1 :])
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
    known: Known, first: Ask, hints: list[Size] | None = None
) -> Generator[list[Ask], Known, Verdict]:
    """Return the verdict on one size; others, the likeliest first, are asked for with it."""
    while first not in known:
        more = [ask for ask in (Ask(size=one) for one in hints or []) if ask not in known]
        known.update((yield [first, *more]))
    return known[first]


def _below(size: Size, floor: Size, longer: tuple[Size, ...] = ()) -> list[Size]:
    """Return the sizes that are `longer` steps and one and two machines less, if they may be.

    A `floor` without any that serve has one that computes: any one machine will do.
    """
    moved = [(size[0] + a, size[1] + b) for a, b in (*longer, *NEIGHBOURS)]
    return [one for one in moved if floor[0] <= one[0] and one[1] >= 0 and max(floor) <= sum(one)]
