"""Which machines are woken: for a need, for replicas that found no room, for jobs that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.model import BOOTING, DRAINING, OFF, SLEEPING
from greensched.policies.batch import wake_for_queue
from greensched.policies.machines import to_hold_pending, to_wake
from tests.snapshots import machine, service, snapshot, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence


def woken(rows: Sequence[dict[str, Any]], *services: dict[str, Any]) -> list[int]:
    """Return the machines to wake for what is pending, all machines allowed."""
    now = snapshot(list(rows), list(services))
    found: list[int] = to_hold_pending(now, np.ones(len(rows), np.bool_)).tolist()
    return found


def test_as_many_as_hold_what_is_pending() -> None:
    """Seven replicas of three cores take three machines of ten, as each holds three of them."""
    rows = [machine(), *[machine(state=OFF)] * 5]
    assert [1, 2, 3] == woken(rows, service(pending=7, replica_cpu_m=3_000))
    assert [] == woken(rows, service(pending=0))


def test_what_boots_is_taken_off() -> None:
    """A machine on its way holds its part, so that no second one is woken a minute later."""
    rows = [machine(state=BOOTING), *[machine(state=OFF)] * 3]
    assert [1] == woken(rows, service(pending=12))
    assert [] == woken(rows, service(pending=10))


def test_memory_counts_as_well() -> None:
    """Replicas of 4,000 MiB fit two by two on machines of 10,000, whatever CPU is left."""
    rows = [machine(state=SLEEPING)] * 4
    assert [0, 1] == woken(rows, service(pending=4, replica_memory_mib=4_000))


def test_a_machine_that_cannot_hold_one_stays_asleep() -> None:
    """Machines too small for the replica are passed over, however many there are."""
    rows = [machine(state=OFF, cpu_m=2_000), machine(state=OFF), machine(state=OFF)]
    assert [1] == woken(rows, service(pending=1, replica_cpu_m=3_000))


def test_gpus_limit_what_a_machine_holds() -> None:
    """Two devices hold two replicas of one GPU each; a machine without any holds none."""
    rows = [machine(state=OFF), *[machine(state=OFF, gpu_m=2_000, gpu_free_m=2_000)] * 3]
    assert [1, 2] == woken(rows, service(pending=4, replica_gpu_m=1_000))
    assert [0] == woken(rows, service(pending=4))


def test_sleepers_first_and_no_machine_twice() -> None:
    """What sleeps wakes before what is off, and two services do not count on one machine."""
    rows = [machine(state=OFF), machine(state=SLEEPING), machine(state=SLEEPING)]
    assert [1] == woken(rows, service(pending=1))
    assert [1, 2] == woken(rows, service(pending=1), service(pending=1))


def test_fewest_first_machines_cover_a_need() -> None:
    """Asleep comes before off and without GPUs before with; a need of GPUs takes only such."""
    gpus = {"gpu_m": 2_000, "gpu_free_m": 2_000}
    rows = [machine(state=SLEEPING, **gpus), machine(state=OFF), machine(state=SLEEPING)]
    view, among = snapshot(rows).machines, np.ones(3, np.bool_)
    assert [] == to_wake(view, among, 0, 0).tolist()
    assert [2] == to_wake(view, among, 10_000, 1).tolist()
    assert [1, 2] == to_wake(view, among, 1, 10_001).tolist()
    assert [0, 1, 2] == to_wake(view, among, 90_000, 0).tolist()
    assert [0] == to_wake(view, among, 90_000, 0, 1).tolist()


def test_jobs_that_wait_too_long_get_back_what_drains() -> None:
    """What drains with no place for an average job goes on draining, until nothing else helped."""
    drains = machine(role="batch", state=DRAINING, batch_cpu_m=9_900)
    rows = [drains, machine(role="batch", state=OFF), machine(role="batch", state=OFF)]
    now, among = snapshot(rows, queue=waiting(1_000), now_ms=60_000), np.ones(3, np.bool_)
    assert [1] == wake_for_queue(now, among, patience_ms=60_001).tolist()
    assert [0, 1] == wake_for_queue(now, among, patience_ms=60_000).tolist()
