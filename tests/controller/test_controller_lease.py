"""Which replica acts."""

from __future__ import annotations

from random import Random

import pytest

from greensched.controller.api import ApiError
from greensched.controller.lease import DEADLINE_S, DURATION_S, RETRY_S, Lease
from greensched.controller.main import Clocks
from tests.controller.cases import START_MS
from tests.controller.client import Clock, FakeCluster, Faults
from tests.controller.store import Store


def _two(faults: Faults | None = None) -> tuple[Clock, Lease, Lease, list[FakeCluster]]:
    clock = Clock(START_MS)
    store = Store(clock.now_ms)
    clusters = [FakeCluster(store, clock, name, faults or Faults()) for name in ("a", "b")]
    clusters[1].local_skew_ms = 3_600_000  # clocks need not agree
    a, b = (
        Lease(
            c,
            Clocks(wall_ms=c.wall_ms, steady_s=lambda: clock.time_ms / 1_000),
            "default",
            c.who,
        )
        for c in clusters
    )
    return clock, a, b, clusters


def test_one_holds_and_the_other_waits() -> None:
    """The first takes it; the second takes over only when it was not renewed for 15 s."""
    clock, a, b, _ = _two()
    a.turn()
    b.turn()
    assert (True, False) == (a.holds(), b.holds())
    clock.time_ms += int(DURATION_S * 1_000)
    b.turn()
    assert not b.holds()
    clock.time_ms += 1
    b.turn()
    assert (False, True) == (a.holds(), b.holds())


def test_who_cannot_renew_stops_before_another_may_start() -> None:
    """Without an answer a replica stops acting after 10 s, though its lease lasts 15."""
    clock, a, _, clusters = _two()
    a.turn()
    clusters[0].faults.partitioned = True
    clock.time_ms += int(DEADLINE_S * 1_000) - 1
    with pytest.raises(ApiError):
        a.turn()
    assert a.holds()
    clock.time_ms += 1
    assert not a.holds()


def test_it_is_let_go_of_on_the_way_out() -> None:
    """After a release another takes over at once."""
    _, a, b, _ = _two()
    a.turn()
    a.release()
    b.turn()
    assert (False, True) == (a.holds(), b.holds())


@pytest.mark.parametrize("seed", range(30))
def test_never_two(seed: int) -> None:
    """Whatever is lost between them and the server, two replicas never act at one time."""
    random = Random(seed)  # noqa: S311 - no secret
    faults = Faults(random=random, silence=0.1, lost=0.1, failure=0.1, slow=0.1)
    clock, a, b, _ = _two(faults)
    acted = set()
    for _ in range(400):
        clock.time_ms += int(RETRY_S * 1_000 * random.uniform(0.2, 4))
        one = random.choice((a, b))
        try:
            one.turn()
        except ApiError:
            continue
        finally:
            assert not (a.holds() and b.holds())
        acted |= {lease for lease in (a, b) if lease.holds()}
    assert {a, b} == acted
