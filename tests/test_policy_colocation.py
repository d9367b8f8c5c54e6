"""Co-location: the formula, the predictor's published settings and the guards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import UsageError
from greensched.model import DRAINING, LENT, SLEEPING, Action, BatchLimit, Power, Snapshot
from greensched.policies.colocation import ColocationNsigma
from greensched.units import MS_PER_H, MS_PER_MIN
from tests.properties.strategies import snapshots
from tests.snapshots import machine, service, snapshot, waiting, with_machines


def replayed(wakes: list[Snapshot], **settings: Any) -> list[tuple[Action, ...]]:
    """Return the answers to `wakes`; machines need not be half reserved to be shared."""
    policy = ColocationNsigma(**{"min_reserved": 0.0} | settings)
    memory, answers = policy.first_memory(), []
    for wake in wakes:
        actions, memory = policy.decide(wake, memory)
        answers.append(actions)
    return answers


def limits(actions: tuple[Action, ...]) -> dict[int, tuple[int, int, bool]]:
    """Return (CPU, memory, evict) by machine."""
    return {
        int(m): (int(c), int(mib), a.evict)
        for a in actions
        if isinstance(a, BatchLimit)
        for m, c, mib in zip(a.machines, a.cpu_m, a.memory_mib, strict=True)
    }


def serving(minute: int, use: float, **having: Any) -> Snapshot:
    """Return one machine of ten cores with four reserved, of which `use` are used."""
    row = machine(online_use_cpu_m=use, **having)
    period = MS_PER_MIN if minute else 0
    return snapshot(
        [row], [service()], [(0, 0, "online")] * 4, now_ms=minute * MS_PER_MIN, period_ms=period
    )


def test_cold_start_counts_the_reservation() -> None:
    """At first batch gets 60 % of the CPU less the whole reservation; 65 % of memory less it."""
    assert {0: (2_000, 2_500, False)} == limits(replayed([serving(0, 0.0)])[0])


def test_warm_after_two_hours() -> None:
    """With 24 samples of 5 minutes of even use, the use is taken off in place of the request."""
    answers = replayed([serving(k, 1_000.0) for k in range(121)])
    given_cpu = [limits(answers[k])[0][0] for k in range(0, 121, 5)]
    assert [2_000] * 24 + [5_000] == given_cpu
    assert not any(limits(answers[k]) for k in range(121) if k % 5)


@pytest.mark.parametrize(("low", "high"), [(400.0, 600.0), (500.0, 500.0), (0.0, 4_000.0)])
def test_five_sigma(low: float, high: float) -> None:
    """The predicted peak is the mean and five deviations of the samples, at most the limit."""
    uses = [low if (k - 1) // 5 % 2 else high for k in range(121)]
    answers = replayed([serving(k, use) for k, use in enumerate(uses)])
    peak = min((low + high) / 2 + 5 * (high - low) / 2, 4_000)
    assert (6_000 - peak) == pytest.approx(limits(answers[120])[0][0], abs=1)


def test_apart_is_cold_again() -> None:
    """A machine that was lent in between counts as fully used until it has new samples."""
    wakes = [serving(k, 1_000.0) for k in range(121)]
    wakes += [serving(k, 1_000.0, lending=LENT) for k in (121, 122, 123, 124)]
    wakes += [serving(125, 1_000.0)]
    answers = replayed(wakes)
    assert 5_000 == limits(answers[120])[0][0]
    assert 2_000 == limits(answers[125])[0][0]


def test_replicas_that_come_count_at_once() -> None:
    """Samples are shares of the reservation: twice the replicas, twice the predicted peak."""
    wakes = [serving(k, 1_000.0) for k in range(125)]
    more = snapshot(
        [machine(online_use_cpu_m=2_000.0)],
        [service()],
        [(0, 0, "online")] * 8,
        now_ms=125 * MS_PER_MIN,
    )
    assert 4_000 == limits(replayed([*wakes, more])[125])[0][0]


def test_suppression_is_always_on() -> None:
    """Every limit caps what batch uses to what services leave of 65 % of the CPU."""
    assert [0.65] == [
        a.use_share for a in replayed([serving(0, 0.0)])[0] if isinstance(a, BatchLimit)
    ]


def test_hot_machine_takes_no_more() -> None:
    """Above 65 % used CPU a machine's limit falls to what batch holds, at the next wake."""
    calm = {"jobs": 1, "batch_cpu_m": 1_500, "batch_limit_cpu_m": 2_000}
    calm["batch_limit_memory_mib"] = 2_500
    cool = serving(1, 4_000.0, **calm, batch_use_cpu_m=2_500.0)
    hot = serving(1, 4_000.0, **calm, batch_use_cpu_m=2_501.0)
    assert {} == limits(replayed([serving(0, 0.0), cool])[1])
    assert {0: (1_500, 2_500, False)} == limits(replayed([serving(0, 0.0), hot])[1])


def test_full_memory_evicts() -> None:
    """Above 70 % allocated memory batch is evicted down to it, for memory and not for CPU."""
    held = {"jobs": 2, "batch_cpu_m": 2_500, "batch_limit_cpu_m": 2_000}
    edge = serving(1, 0.0, **held, batch_memory_mib=3_000)
    full = serving(1, 0.0, **held, batch_memory_mib=3_001)
    assert {} == limits(replayed([serving(0, 0.0), edge])[1])
    assert {0: (2_500, 3_000, True)} == limits(replayed([serving(0, 0.0), full])[1])


def test_only_machines_that_serve() -> None:
    """Limits go to machines on and ours that serve; batch machines take batch whole anyway."""
    rows = [
        machine(),
        machine(role="batch"),
        machine(role="any"),
        machine(role="any"),
        machine(lending=LENT),
        machine(state=SLEEPING),
        machine(surplus=True),
    ]
    world = snapshot(rows, [service()], [(0, 3, "online")], period_ms=0)
    assert [0, 3] == sorted(limits(replayed([world])[0]))


def powered(wakes: list[Snapshot]) -> dict[str, list[int]]:
    """Return the machines that the last of `wakes` switches, by the state they go to."""
    return {a.to: a.machines.tolist() for a in replayed(wakes)[-1] if isinstance(a, Power)}


def test_batch_machines_sleep_and_wake() -> None:
    """A batch machine empty for 30 minutes sleeps; it wakes for what co-location cannot take."""
    idle = machine(role="batch", empty_since_ms=0)
    asleep = idle | {"state": SLEEPING}
    assert {} == powered([snapshot([machine(), idle], now_ms=29 * MS_PER_MIN)])
    assert {"sleep": [1]} == powered([snapshot([machine(), idle], now_ms=30 * MS_PER_MIN)])
    rows = [machine(), asleep]
    fits, beyond = waiting(6_000), waiting(6_001)
    assert {} == powered([snapshot(rows, queue=fits)])
    assert {"on": [1]} == powered([snapshot(rows, queue=beyond)])
    assert {"on": [1]} == powered([snapshot(rows, queue=fits, now_ms=MS_PER_H)])


def test_only_well_used_machines() -> None:
    """By default batch joins machines of which services reserve half of the CPU, no others."""
    rows = [(0, 0, "online")] * 5 + [(0, 1, "online")] * 4
    world = snapshot([machine()] * 2, [service()], rows, period_ms=0)
    given_mib = limits(replayed([world], min_reserved=0.5)[0])
    assert {0: (1_000, 1_500, False), 1: (0, 2_500, False)} == given_mib


def test_only_as_many_as_the_quietest_hour_needs() -> None:
    """Batch joins as many machines as served at the least in 24 hours, those with jobs first."""
    rows = [(0, m, "online") for m in (0, 1, 1, 2, 2, 2)]
    full = [machine(jobs=1, batch_cpu_m=100), machine(), machine()]
    quiet = [full[0], full[1], machine(state=SLEEPING)]

    def open_to_batch(*wakes: tuple[int, Any]) -> list[int]:
        world = [
            snapshot(m, [service()], rows, now_ms=hour * MS_PER_H, period_ms=hour and MS_PER_H)
            for hour, m in wakes
        ]
        return sorted(m for m, (cpu, _, _) in limits(replayed(world)[-1]).items() if cpu > 0)

    assert [0, 1, 2] == open_to_batch((0, full))
    assert [0, 2] == open_to_batch((0, full), (1, quiet), (2, full), (24, full))
    assert [0, 1, 2] == open_to_batch((0, full), (1, quiet), *((h, full) for h in range(2, 26)))


def test_long_jobs_stay_away() -> None:
    """Every limit keeps jobs without checkpoints out that are estimated to run over 4 hours."""
    answer = replayed([serving(0, 0.0)])[0]
    assert [4 * MS_PER_H] == [a.job_ms_max for a in answer if isinstance(a, BatchLimit)]


@pytest.mark.parametrize(
    ("batch_use", "expected"), [(2_500.0, {0: (3_500, 2_500, True)}), (2_000.0, {})]
)
def test_starving_batch_is_evicted(batch_use: float, expected: dict[int, Any]) -> None:
    """Held below 60 % for 5 minutes, as many jobs go as bring the rest to 80 %; idle ones stay."""
    held = {"jobs": 5, "batch_cpu_m": 5_000, "batch_memory_mib": 2_000}
    held |= {"batch_limit_cpu_m": 5_000, "batch_limit_memory_mib": 2_500}
    world = [serving(k, 4_000.0, **held, batch_use_cpu_m=batch_use) for k in range(5)]
    fifth = serving(6, 4_000.0, **held, batch_use_cpu_m=batch_use)
    fifth = replace(fifth, now_ms=5 * MS_PER_MIN - 1)  # before all limits are set anew
    answers = replayed([*world, fifth])
    assert not any(limits(answer) for answer in answers[1:-1])
    assert expected == limits(answers[-1])


def test_own_machines_drain_while_there_is_room() -> None:
    """The emptiest machine for batch drains for room beside services; it is kept for new jobs."""
    shared = machine(jobs=1, batch_cpu_m=1_000, batch_memory_mib=1_000)
    light = machine(role="batch", jobs=1, batch_cpu_m=1_000, batch_memory_mib=1_000)
    heavy = light | {"batch_cpu_m": 4_000}
    assert {"sleep": [1]} == powered([snapshot([shared, light, heavy])])
    full = shared | {"batch_cpu_m": 6_000, "batch_memory_mib": 6_000, "jobs": 6}
    assert {} == powered([snapshot([full, light, heavy])])
    rows = [full, light | {"state": DRAINING}, machine(role="batch", state=SLEEPING)]
    assert {"on": [1]} == powered([snapshot(rows, queue=waiting(1_000))])


@given(world=snapshots(), scale=st.floats(0, 1))
def test_more_use_leaves_batch_less(world: Snapshot, scale: float) -> None:
    """Where services use more by a factor, no machine that batch may use in both gives it more."""
    count = len(world.machines.state)
    rng = np.random.default_rng(count)
    shares = rng.random((26, count))

    def last(factor: float) -> dict[int, tuple[int, int, bool]]:
        wakes = []
        for k, share in enumerate(shares):
            use = np.minimum(share * factor, 1) * world.machines.online_cpu_m
            seen = with_machines(world, online_use_cpu_m=use, batch_use_cpu_m=use * 0)
            wakes.append(replace(seen, now_ms=k * 300_000, period_ms=300_000))
        return limits(replayed(wakes)[-1])

    less, more = last(scale), last(1.0)
    assert less.keys() == more.keys()
    both = [m for m, (_, _, evicts) in more.items() if less[m][0] > 0 and not evicts]
    assert all(more[m][0] <= less[m][0] for m in both)


def test_bad_settings() -> None:
    """Thresholds that would admit batch only to evict it are refused."""
    with pytest.raises(UsageError, match="reclaim_memory_share: is above max_memory"):
        ColocationNsigma(reclaim_memory_share=0.8)
