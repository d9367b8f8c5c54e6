"""Laws of what registered policies say to jobs that may wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given

from greensched.model import OUT, ROLE_CODES, Hold, Release, Resume, Suspend
from tests.properties.strategies import snapshot_runs
from tests.properties.test_policies import build, every_policy, few, replay

if TYPE_CHECKING:
    from greensched.model import Snapshot


@every_policy
@few
@given(run=snapshot_runs())
def test_no_job_is_kept_beyond_its_latest_start(name: str, run: tuple[Snapshot, ...]) -> None:
    """Who may not pause and would be late at the next wake goes in time unless cores are few."""
    policy = build(name)
    for snapshot, actions, _ in replay(policy, run):
        shifts = [a for a in actions if isinstance(a, Release | Resume | Suspend)]
        assert all((a.at_ms >= snapshot.now_ms).all() for a in shifts)
        waiting = snapshot.waiting
        if waiting is None or not any(isinstance(a, Hold) for a in actions):
            continue
        goes = {j: t for a in shifts if not isinstance(a, Suspend) for j, t in pairs(a)}
        urgent = ~waiting.running & ~waiting.interruptible
        urgent &= waiting.latest_start_ms < snapshot.now_ms + policy.period_ms
        for job, latest_ms in zip(
            waiting.job[urgent].tolist(), waiting.latest_start_ms[urgent].tolist(), strict=True
        ):
            in_time = job in goes and goes[job] <= max(snapshot.now_ms, latest_ms)
            assert in_time or cores_are_few(policy, snapshot)


def cores_are_few(policy: Any, snapshot: Snapshot) -> bool:
    """Say whether what may wait, all at once, fills more of batch's own machines than it may."""
    machines, waiting = snapshot.machines, snapshot.waiting
    assert waiting is not None
    own = (machines.role == ROLE_CODES["batch"]) & ~machines.surplus & (machines.state != OUT)
    others_m = machines.batch_cpu_m.sum() - waiting.cpu_m[waiting.running].sum()
    cap_m = policy.fill_share * machines.cpu_m[own].sum() - max(0, others_m)
    return bool(own.any() and np.minimum(waiting.cpu_m, max(1, cap_m)).sum() > cap_m)


def pairs(action: Any) -> Any:
    """Return the jobs of an action and when it is due for each."""
    return zip(action.jobs.tolist(), action.at_ms.tolist(), strict=True)
