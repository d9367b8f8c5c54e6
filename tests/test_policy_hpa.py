"""The HPA rule: the documented numbers, the windows and the steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.policies.hpa import (
    HpaMemory,
    HpaRule,
    is_settled,
    scaled,
    wanted_replicas,
)
from greensched.units import MS_PER_MIN
from tests.snapshots import machine, service, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

RULE: dict[str, Any] = {
    "target": 0.5,
    "tolerance": 0.1,
    "stabilisation_ms": 300_000,
    "up_factor": 2.0,
    "up_step": 4,
    "down_share": 1.0,
    "down_window_ms": 0,
}


def wanted(
    loads: Sequence[float],
    replicas: int,
    *,
    starting: int = 0,
    pending: int = 0,
    limits: tuple[int, int] = (1, 100),
    **changed: Any,
) -> list[int]:
    """Return the wanted replicas at each wake (a minute apart), each obeyed by the next."""
    rule = HpaRule(**(RULE | changed))
    memory, answers = HpaMemory(), []
    for k, load in enumerate(loads):
        rows = [(0, 0, "online")] * replicas + [(0, 0, "starting")] * starting
        row = service(
            load_cpu_m=load, pending=pending, replicas_min=limits[0], replicas_max=limits[1]
        )
        now = snapshot([machine(cpu_m=10**6)], [row], rows, now_ms=k * MS_PER_MIN)
        answer, memory = wanted_replicas(now, memory, rule)
        replicas, starting, pending = int(answer[0]), 0, 0
        answers.append(replicas)
    return answers


def test_published_example() -> None:
    """Use of 200m against a target of 100m doubles the replicas; 50m halves them (HPA docs)."""
    assert [4] == wanted([2 * 1_000], 2)
    assert [1] == wanted([500], 2)


@pytest.mark.parametrize(("load", "expected"), [(5_400, 10), (5_600, 12), (4_600, 10)])
def test_tolerance(load: float, expected: int) -> None:
    """Within a tenth of the target nothing changes; beyond it the count is rounded up."""
    assert [expected] == wanted([load], 10)


def test_scale_down_waits_for_the_window() -> None:
    """A fall of load changes nothing while a higher recommendation is within 300 s."""
    assert [10, 10, 10, 10, 10, 10, 2] == wanted([5_000, *[1_000] * 6], 10)


def test_window_holds_at_the_highest() -> None:
    """Down goes to the highest recommendation of the window, not to the last one."""
    loads = [5_000, 1_000, 2_000, 1_000, 1_000, 1_000, 1_000, 1_000]
    assert 4 == wanted(loads, 10)[6]
    assert 4 == wanted(loads, 10)[7]


def test_window_never_scales_up() -> None:
    """Recommendations of the past raise no count that others lowered meanwhile."""
    rule, memory = HpaRule(**RULE), HpaMemory()
    answers = []
    for k, replicas in enumerate((10, 4)):
        row = service(load_cpu_m=500.0 * replicas)
        now = snapshot([machine()], [row], [(0, 0, "online")] * replicas, now_ms=k * MS_PER_MIN)
        answer, memory = wanted_replicas(now, memory, rule)
        answers.append(int(answer[0]))
    assert [10, 4] == answers


def test_down_step() -> None:
    """Down goes by at most 30 % of the highest count of the last ten minutes."""
    answers = wanted([500.0] * 30, 100, stabilisation_ms=0, down_share=0.3, down_window_ms=600_000)
    assert [70] * 11 == answers[:11]
    assert [49] * 11 == answers[11:22]


def test_up_step() -> None:
    """Up goes by a factor of 2 or by 4 replicas a wake, whichever is more."""
    assert [6, 12, 24, 48, 50] == wanted([25_000.0] * 5, 2, tolerance=0.01)


def test_starting_counts_as_present() -> None:
    """Replicas that start are not asked for a second time."""
    assert [10] == wanted([5_000.0], 4, starting=6)
    assert [10] == wanted([5_000.0], 4, starting=3, pending=3)


def test_pending_is_given_up_on_target() -> None:
    """Replicas that found no room are not held on to once what serves is on target."""
    assert [10] == wanted([5_000.0], 10, pending=3, stabilisation_ms=0)
    assert [11] == wanted([5_400.0], 10, pending=3, stabilisation_ms=0)


def test_limits() -> None:
    """Minimum and maximum hold against the load and against the steps."""
    assert [3] == wanted([0.0], 3, limits=(3, 9))
    assert [9] == wanted([50_000.0], 5, limits=(1, 9))
    assert [7] == wanted([0.0], 1, limits=(7, 9))


def test_first_wake_measures_nothing() -> None:
    """Without a measurement (the first wake) the count stays."""
    now = snapshot([machine()], [service()], [(0, 0, "online")] * 5, period_ms=0)
    answer, _ = wanted_replicas(now, HpaMemory(), HpaRule(**RULE))
    assert [5] == answer.tolist()
    assert ((), False) == scaled(now.services, answer)


def test_standby_is_not_scaled() -> None:
    """Replicas on standby are not counted as present."""
    now = snapshot([machine()], [service()], [(0, 0, "online"), (0, 0, "standby")])
    answer, _ = wanted_replicas(now, HpaMemory(), HpaRule(**RULE))
    assert [1] == answer.tolist()


@given(load=st.floats(0, 50_000), more=st.floats(0, 50_000), replicas=st.integers(1, 40))
def test_monotone(load: float, more: float, replicas: int) -> None:
    """More load never asks for fewer replicas when all else is equal, tolerance aside."""
    low = wanted([load], replicas, tolerance=0.0)
    assert low <= wanted([load + more], replicas, tolerance=0.0)


@given(loads=st.lists(st.floats(0, 20_000), min_size=1, max_size=30))
def test_memory_is_bounded(loads: list[float]) -> None:
    """The memory holds no more rows than its windows have wakes."""
    rule, memory = HpaRule(**RULE), HpaMemory()
    for k, load in enumerate(loads):
        row = service(load_cpu_m=load)
        now = snapshot([machine()], [row], [(0, 0, "online")], now_ms=k * MS_PER_MIN)
        _, memory = wanted_replicas(now, memory, rule)
    assert 1 <= len(memory.times_ms) == len(memory.recommended) <= min(len(loads), 6)


def followed(loads: Sequence[float], rule: HpaRule, *, told: bool) -> tuple[list[int], int]:
    """Return the replicas at each wake, obeyed at once, and at how many nothing was worked out.

    `told`: the snapshot says since when services are steady, as the engine does.
    """
    memory, count, answers, skipped = HpaMemory(), 5, [], 0
    steady_ms, before = 0, (0.0, 0)
    for k, load in enumerate(loads):
        now_ms = k * MS_PER_MIN
        if before != (load, count) or not told:
            steady_ms = now_ms
        before = (load, count)
        row = service(load_cpu_m=load)
        now = snapshot([machine(cpu_m=10**6)], [row], [(0, 0, "online")] * count, now_ms=now_ms)
        now = replace(now, steady_since_ms=steady_ms)
        skipped += is_settled(now, memory)
        answer, memory = wanted_replicas(now, memory, rule)
        count = int(answer[0])
        answers.append(count)
    return answers, skipped


LEVELS = st.tuples(st.sampled_from([1_000.0, 2_500.0, 5_000.0, 9_000.0]), st.integers(1, 25))


@given(st.lists(LEVELS, min_size=1, max_size=8), st.sampled_from([0.3, 1.0]))
def test_what_is_settled_need_not_be_asked(
    levels: list[tuple[float, int]], down_share: float
) -> None:
    """Where services are steady the rule is not asked, and every answer is as if it were."""
    rule = HpaRule(**(RULE | {"down_share": down_share, "down_window_ms": 600_000}))
    loads = [load for load, wakes in levels for _ in range(wakes)]
    always, none = followed(loads, rule, told=False)
    answers, skipped = followed(loads, rule, told=True)
    assert always == answers
    assert 0 == none
    longest = max(wakes for _, wakes in levels)
    assert skipped > 0 or longest < 25
