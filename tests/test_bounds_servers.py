"""The fewest machines of a fleet, against brute force and hand-made cases."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from greensched.bounds import Capacity, Demand, Need, fewest_machines, server_need
from tests.test_bounds import proven

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = st.tuples(st.integers(1, 8), st.integers(0, 8), st.integers(0, 2))


def demand(
    load: Sequence[Sequence[int]],
    *,
    size: Sequence[Sequence[int]] = (),
    allowed: int = 0,
    jobs: Sequence[tuple[int, int]] = (),
    end_ms: int = 0,
) -> Demand:
    """Return a demand of steps of 10 ms; a job is (submit [ms], CPU work [millicore ms])."""
    rows = np.array(load, np.int64)
    work = np.zeros((3, len(jobs)))
    work[0] = [w for _, w in jobs]
    return Demand(
        load_cpu_m=rows,
        length_ms=np.full(rows.shape[1], 10, np.int64),
        size=np.array(size or [[1] * len(rows), [0] * len(rows), [0] * len(rows)], np.int64),
        shortage_allowed=allowed,
        submit_ms=np.array([s for s, _ in jobs], np.int64),
        work=work,
        end_ms=end_ms or 10 * rows.shape[1],
    )


def test_services_need_their_common_peak() -> None:
    """Loads are added hour by hour: peaks at different hours do not add up."""
    assert (7, 0, 0) == server_need(demand([[5, 1], [2, 3]])).online


@given(load=st.lists(st.integers(0, 30), min_size=1, max_size=8), allowed=st.integers(0, 200))
def test_allowed_shortage_lowers_the_peak_exactly(load: list[int], allowed: int) -> None:
    """The level is the least at which the work above it is allowed to be short."""
    found = server_need(demand([load], allowed=allowed)).online[0]
    short = [sum(10 * max(0, n - level) for n in load) for level in range(31)]
    assert next(level for level, s in enumerate(short) if s <= allowed) == found


def test_memory_is_what_the_replicas_that_serve_take() -> None:
    """Loads of 4 and 2 replicas of 3 and 5 MiB take 22 MiB; what takes most goes first."""
    sizes = [[10, 10], [3, 5], [0, 1000]]
    load = [[40], [20]]
    assert (60, 22, 2000) == server_need(demand(load, size=sizes)).online
    # half a replica's load less of the second service: 5 millicores for 10 ms
    assert (55, 20, 1500) == server_need(demand(load, size=sizes, allowed=50)).online


def test_jobs_need_the_work_that_comes_late() -> None:
    """A job submitted 10 ms before the end counts over 10 ms, not over all the time."""
    early = server_need(demand([[0, 0, 0, 0]], jobs=[(0, 400)]))
    late = server_need(demand([[0, 0, 0, 0]], jobs=[(30, 400)]))
    assert (10, 0, 0) == early.total
    assert (40, 0, 0) == late.total
    assert (0, 0, 0) == late.online


def test_jobs_and_services_share_the_time() -> None:
    """Work of 800 and of two steps at 20 takes 30 through 40 ms, above the services' peak."""
    assert (30, 0, 0) == server_need(demand([[20, 0, 20, 0]], jobs=[(0, 800)])).total


@given(
    types=st.lists(st.tuples(SIZES, st.integers(0, 4), st.booleans()), min_size=1, max_size=3),
    online=st.tuples(*[st.integers(0, 12)] * 3),
    more=st.tuples(*[st.integers(0, 12)] * 3),
)
def test_no_fleet_beats_the_bound(
    types: list[tuple[tuple[int, int, int], int, bool]],
    online: tuple[int, int, int],
    more: tuple[int, int, int],
) -> None:
    """Of all fleets with the capacity none has fewer machines, in all or of a type (proven)."""
    kinds = [
        Capacity(name=f"t{i}", count=n, size=size, serves=serves)
        for i, (size, n, serves) in enumerate(types)
    ]
    total = tuple(a + b for a, b in zip(online, more, strict=True))
    good = [
        counts
        for counts in itertools.product(*[range(k.count + 1) for k in kinds])
        if all(
            sum(n * k.size[r] for n, k in zip(counts, kinds, strict=True)) >= total[r]
            and sum(n * k.size[r] for n, k in zip(counts, kinds, strict=True) if k.serves)
            >= online[r]
            for r in range(3)
        )
    ]
    found = fewest_machines(Need(online=online, total=total), kinds)
    if not good:
        assert found.machines is None or found.machines <= sum(k.count for k in kinds)
        return
    assert found.machines is not None
    assert found.machines <= min(map(sum, good))
    for i, fewest in enumerate(found.by_type):
        assert fewest <= min(counts[i] for counts in good)
    proof = json.loads(json.dumps(found.certificate))
    assert math.ceil(proven(proof)) == found.machines


def test_one_type_is_a_ceiling() -> None:
    """With one type the bound is the larger of need over capacity, rounded up."""
    kind = Capacity(name="t", count=100, size=(64_000, 256, 0))
    found = fewest_machines(Need(online=(64_001, 10, 0), total=(640_000, 2561, 0)), [kind])
    assert 11 == found.machines
    assert (11,) == found.by_type


def test_a_fleet_that_cannot_is_told() -> None:
    """Where all machines together lack the capacity there is no number."""
    kind = Capacity(name="t", count=1, size=(10, 10, 0))
    assert None is fewest_machines(Need(online=(0, 0, 0), total=(11, 0, 0)), [kind]).machines
