"""Co-location by the larger of two peaks: histograms that forget, cold starts, the oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.engine.truth import Truth
from greensched.errors import UsageError
from greensched.model import LENT, OWN, BatchLimit, Snapshot
from greensched.policies.colocation import ColocationNsigma
from greensched.policies.colocation_max import Colocation, ColocationOracle, level
from greensched.policies.memory import frozen
from greensched.policies.peaks import BINS, Samples, no_samples, renewed, sampled
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_MIN
from tests.engine.worlds import services as engine_services
from tests.snapshots import machine, service, snapshot, waiting, with_machines

STEP_MS = 5 * MS_PER_MIN
DAY = 288  # steps
SETTINGS: dict[str, Any] = {"min_reserved": 0.0, "reclaim_memory_share": 0.7}


def serving(k: int, use: float, replicas: int = 4, **having: Any) -> Snapshot:
    """Return the k-th look, every 5 minutes, at ten cores of which `use` millicores are used."""
    return snapshot(
        [machine(online_use_cpu_m=use, **having)],
        [service()],
        [(0, 0, "online")] * replicas,
        now_ms=k * STEP_MS,
        period_ms=STEP_MS if k else 0,
    )


def limits(policy: Any, wakes: list[Snapshot]) -> list[tuple[int, int]]:
    """Return what batch may reserve of the machine after each wake: CPU, memory."""
    memory, found = policy.first_memory(), []
    for wake in wakes:
        actions, memory = policy.decide(wake, memory)
        found += [
            (int(a.cpu_m[0]), int(a.memory_mib[0])) for a in actions if isinstance(a, BatchLimit)
        ]
    return found


def test_cold_start_counts_the_reservation() -> None:
    """Until it has been measured for 24 hours, a machine counts what its services reserve."""
    found = limits(Colocation(**SETTINGS), [serving(k, 1_000.0) for k in range(DAY + 1)])
    assert {2_000} == {cpu for cpu, _ in found[:DAY]}
    assert 2_000 < found[DAY][0]


def test_yesterdays_peak_is_kept_free() -> None:
    """After a quiet night N-sigma has forgotten the day; the 95th percentile x 1.1 has not."""
    uses = [3_000.0 if k % DAY < DAY // 2 else 500.0 for k in range(2 * DAY)]
    wakes = [serving(k, use) for k, use in enumerate(uses)]
    later, rival = Colocation(**SETTINGS), ColocationNsigma(**SETTINGS)
    # 3,000 of 10,000 lies at a bin's lower end, 30 %: its upper end is 32.5 %.
    assert 6_000 - 1.1 * 3_250 == pytest.approx(limits(later, wakes)[-1][0], abs=1)
    assert 5_500 == limits(rival, wakes)[-1][0]


def test_memory_of_replicas_that_will_return_is_kept_free() -> None:
    """What services reserved by day is not given to batch at night; the rival gives it."""
    wakes = [serving(k, 500.0, 4 if k % DAY < DAY // 2 else 1) for k in range(2 * DAY)]
    # 4,000 of 10,000 MiB: the bin ends at 42.5 %, and 10 % more is kept.
    assert 7_000 - 1.1 * 4_250 == pytest.approx(
        limits(Colocation(**SETTINGS), wakes)[-1][1], abs=1
    )
    assert 6_000 == limits(ColocationNsigma(**SETTINGS), wakes)[-1][1]


def test_old_peaks_are_forgotten() -> None:
    """A week after its last high day a machine is predicted by what it uses now."""
    uses = [3_000.0] * DAY + [500.0] * (7 * DAY)
    found = limits(Colocation(**SETTINGS), [serving(k, use) for k, use in enumerate(uses)])
    assert 6_000 - 1.1 * 750 == pytest.approx(found[-1][0], abs=1)


def test_history_outlives_the_night_away() -> None:
    """A lent machine keeps its histograms: back again, only N-sigma's two hours are cold."""
    beside = snapshot(
        [machine(), machine()], [service()], [(0, 0, "online")] * 4 + [(0, 1, "online")]
    )

    def wake(k: int) -> Snapshot:
        use = np.array([1_000.0, 0.0])
        lending = np.array([LENT if DAY < k <= DAY + 12 else OWN, OWN])
        seen = with_machines(beside, online_use_cpu_m=use, lending=lending)
        return replace(seen, now_ms=k * STEP_MS, period_ms=STEP_MS * (k > 0))

    found = limits(Colocation(**SETTINGS), [wake(k) for k in range(DAY + 60)])
    warm = found[DAY][0]
    assert 2_000 == found[DAY + 13][0]
    assert 2_000 < warm == found[-1][0]


def shares(used: list[float], kept: tuple[float, float]) -> Samples:
    """Return samples of a machine of which services used such shares, a minute each."""
    samples = no_samples(24, 1, histograms=True)
    m = serving(0, 0.0).machines
    for share in used:
        taken = np.array([[share * m.cpu_m[0]], [m.online_cpu_m[0]], [0.0]]) * MS_PER_MIN
        samples = sampled(samples, m, frozen(taken), MS_PER_MIN, kept)
    return samples


def test_histograms_halve() -> None:
    """A sample of one half-life ago counts half of one taken now."""
    samples = shares([0.9, *[0.1] * 12], (0.5 ** (1 / 12), 1.0))
    assert 0.5 == pytest.approx(samples.weights[0, int(0.9 * BINS), 0])
    assert 13.0 == samples.weights[1, int(0.4 * BINS), 0]


def test_apart_nothing_is_added() -> None:
    """A machine that did not serve all the time adds nothing to its histograms."""
    m = serving(0, 0.0, lending=LENT).machines
    taken = frozen(np.ones((3, 1)))
    samples = sampled(no_samples(24, 1, histograms=True), m, taken, MS_PER_MIN)
    assert 0.0 == samples.weights.sum()
    assert [[0], [0]] == samples.counts.tolist()


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.floats(0.01, 1),
)
def test_percentile_is_the_histogram_s(samples: list[float], quantile: float) -> None:
    """Without decay the share of samples at or below the percentile is at least the quantile."""
    found = renewed(shares(samples, (1.0, 1.0)), (quantile, 0.5), 0).shares[0, 0]
    assert (np.array(samples) <= found).mean() >= quantile - 1e-6
    assert (np.array(samples) <= found - 2 / BINS).mean() < quantile + 1e-6


@given(st.lists(st.floats(0, 4_000), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_never_more_than_by_n_sigma(levels: list[float], seed: int) -> None:
    """The larger of two peaks leaves batch no more than N-sigma alone does."""
    rng = np.random.default_rng(seed)
    wakes = [serving(k, float(rng.choice(levels))) for k in range(DAY + 30)]
    both = limits(Colocation(**SETTINGS), wakes)
    alone = limits(ColocationNsigma(**SETTINGS), wakes)
    assert all(b <= a for b, a in zip(both, alone, strict=True))


def test_oracle_knows_the_day() -> None:
    """The oracle keeps free what the machine's replicas will use within 24 hours, no more."""
    load = [2_000] * DAY + [3_200] + [400] * (2 * DAY)
    truth = Truth.of(engine_services({"load_cpu_m": load}, step_ms=STEP_MS))

    def at(k: int) -> int:
        wake = replace(serving(k, 0.0, replicas=4), forecast=truth)
        return limits(ColocationOracle(**SETTINGS), [wake])[0][0]

    assert 6_000 - 2_000 == at(0)
    assert 6_000 - 3_200 == at(1)
    assert 6_000 - 400 == at(DAY + 1)
    assert load[DAY] == max(load[: DAY + 1])
    assert MS_PER_DAY == DAY * STEP_MS


def test_batch_goes_where_services_suffer_least() -> None:
    """Of equal machines one whose services are three times as sensitive gets a third of batch."""
    rows = [(0, 0, "online")] * 4 + [(1, 1, "online")] * 4
    world = snapshot([machine()] * 2, [service()] * 2, rows, queue=waiting(800))
    policy = Colocation(**SETTINGS)

    def given_cpu_m(told: Any) -> list[int]:
        seen = replace(world, sensitivity=told)
        actions, _ = policy.decide(seen, policy.first_memory())
        return [int(n) for a in actions if isinstance(a, BatchLimit) for n in a.cpu_m]

    assert [2_000, 2_000] == given_cpu_m(None)
    # 800 millicores and a quarter more for gaps are 1,000.
    assert [750, 250] == given_cpu_m(np.array([1.0, 3.0]))
    assert [0, 1_000] == given_cpu_m(np.array([np.inf, 1.0]))


@given(
    st.lists(st.tuples(st.integers(0, 9_000), st.floats(0.1, 50)), min_size=1, max_size=12),
    st.floats(0, 20_000),
)
def test_level_fills_what_is_needed(machines: list[tuple[int, float]], need: float) -> None:
    """At the level the sum is what is needed, or nothing would be enough."""
    room, bears = (np.array(column) for column in zip(*machines, strict=True))
    at = level(room, bears, need)
    if at == np.inf:
        assert room.sum() <= need * (1 + 1e-9)
    else:
        assert need == pytest.approx(np.minimum(room, at * bears).sum(), rel=1e-9, abs=1e-6)


def test_only_the_oracle_is_one() -> None:
    """The oracle says so, by name and by mark; the policy that is deployed does not."""
    assert "colocation-oracle" == ColocationOracle().kind
    assert ColocationOracle().oracle
    assert "colocation" == Colocation().kind
    assert not hasattr(Colocation(), "oracle")


def test_bad_settings() -> None:
    """Settings that cannot be are refused, all at once, those of the rival included."""
    with pytest.raises(UsageError) as refused:
        Colocation(margin=-0.1, cpu_half_life_ms=0, sigmas=-1.0)
    assert {"margin", "cpu_half_life_ms", "sigmas"} == {f.where for f in refused.value.findings}
    assert MS_PER_H * 24 == Colocation().cold_start_ms
