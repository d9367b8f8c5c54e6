"""The search for the smallest fleet, told by a table of what holds."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from greensched.experiment.size_limits import Broken
from greensched.experiment.size_probe import Verdict
from greensched.experiment.size_search import Ask, Found, search

if TYPE_CHECKING:
    from greensched.experiment.size_search import Known, Size

HELD = Verdict(broken=None, stopped_ms=0, jobs_kept=True)


def refused(objective: str, *, jobs_kept: bool = False) -> Verdict:
    """Return a verdict against a fleet."""
    broken = Broken(objective=objective, service=None, resource="cpu", at_ms=0)
    return Verdict(broken=broken, stopped_ms=0, jobs_kept=jobs_kept)


def answered(
    starts: tuple[Size, ...], truth: dict[Ask, Verdict], ahead: int
) -> tuple[Found, Known]:
    """Return what a search finds when `truth` answers, `ahead` hints at a time."""
    steps = search(starts, (0, 0))
    known: Known = {}
    asked = next(steps)
    while True:
        new = {ask: truth[ask] for ask in asked[: 1 + ahead]}
        known |= new
        try:
            asked = steps.send(new)
        except StopIteration as stop:
            return stop.value, known


@given(
    needs=st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 24)),
    wrong=st.integers(-3, 3),
    falls=st.floats(0, 3),
    ahead=st.integers(0, 3),
)
def test_the_search_ends_at_a_size_that_holds(
    needs: tuple[int, int, int], wrong: int, falls: float, ahead: int
) -> None:
    """However wrong the scouts: the size holds, no neighbour does, and hints change nothing."""

    def truth(serve: int, compute: int, off: int) -> Verdict:
        enough = compute >= needs[1] and serve + compute >= needs[2]
        if serve < needs[0] + off:
            return refused("shortage_share", jobs_kept=enough or compute % 5 == 0)  # may mislead
        return HELD if enough else refused("end")

    grid = [(a, b) for a in range(13) for b in range(13)]
    kinds = ((s, scout) for s in grid for scout in (False, True))
    known = {Ask(size=s, scout=scout): truth(*s, wrong * scout) for s, scout in kinds}
    for ask, verdict in known.items():
        if ask.scout:  # at falls = 0 it tells no shortage
            short = math.exp(falls * (needs[0] + wrong - 0.5 - ask.size[0])) if falls else None
            known[ask] = dataclasses.replace(verdict, shortage=short)
    result, tried = answered(((12, 12),), known, ahead)
    assert result.size is not None
    assert known[Ask(size=result.size)].held
    assert all(not known[Ask(size=s)].held for s, _ in result.refused)
    assert result == dataclasses.replace(answered(((12, 12),), known, 0)[0], tried=result.tried)
    assert len(tried) == result.tried
    assert max(needs[2], needs[0] + needs[1]) == sum(result.size)


def test_a_smaller_size_that_holds_is_not_left_for_fewer_that_compute() -> None:
    """Where services need 3 machines beside 2 that compute but 1 beside 3, four are enough."""
    known = {
        Ask(size=(a, b), scout=scout): refused("shortage_share")
        if a < (1 if b >= 3 or scout else 3)
        else HELD
        if b >= 2
        else refused("end")
        for a in range(4)
        for b in range(7)
        for scout in (False, True)
    }
    assert (1, 3) == answered(((3, 6),), known, 0)[0].size


def test_surplus_is_used_where_static_peak_does_not_hold() -> None:
    """Where the first start breaks something the search begins with the larger one."""
    known = {
        Ask(size=(a, b), scout=scout): HELD if a >= 3 and b >= 2 else refused("shortage_share")
        for a in range(6)
        for b in range(4)
        for scout in (False, True)
    }
    assert (3, 2) == answered(((2, 2), (5, 3)), known, 0)[0].size
    none = {ask: refused("end") for ask in known}
    assert None is answered(((2, 2), (5, 3)), none, 0)[0].size
