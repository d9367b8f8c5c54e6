"""Who serves, computes, keeps databases, is surplus: the machines that static-peak needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.engine.simulate import Simulation, simulate
from greensched.errors import plural
from greensched.experiment.databases import DATABASE, first_places
from greensched.experiment.levels import batch_level
from greensched.experiment.spare import spares
from greensched.model import NONE, ROLE_CODES, Jobs, Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.world import Shared
    from greensched.model import Int8Array, IntArray

WAIT_P95_ASSUMED_MS: Final = 900_000  # where a scenario sets no objective for its batch
SIZING_MARGIN: Final = 0.9  # of an allowed wait: what just meets a limit misses it by noise
_ONLINE, _BATCH, _ANY = ROLE_CODES["online"], ROLE_CODES["batch"], ROLE_CODES["any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Roles of all machines (NONE: surplus), replicas at the start, and what was assumed.

    `spare` of the machines that serve are there for when others are out; `unplaced` replicas of
    services found no room.
    """

    roles: Int8Array
    replicas: IntArray | None
    findings: tuple[str, ...] = ()
    places: IntArray | None = None  # machines of databases' replicas; None: there are none
    spare: int = 0
    unplaced: int = 0


def peak_replicas(services: Services, headroom: float) -> tuple[IntArray, int]:
    """Return static replicas: as recorded or, where none are, peak load x (1 + headroom).

    The second value counts the services whose replicas were not recorded.
    """
    peak = services.load_cpu_m.max(axis=1)
    needed = np.ceil(peak * (1.0 + headroom) / services.replica_cpu_m).astype(np.int64)
    recorded = services.replicas != NONE
    replicas = np.where(recorded, services.replicas, np.maximum(needed, 1))
    replicas = np.maximum(replicas, services.replicas_min)
    limited = services.replicas_max != NONE
    replicas = np.where(limited, np.minimum(replicas, services.replicas_max), replicas)
    return replicas.astype(np.int64), int((~recorded).sum())


def as_recorded(shared: Shared) -> Partition:
    """Return every machine on in its type's own role: nothing is surplus."""
    services = shared.workload.services
    replicas = None
    if services is not None:
        replicas = peak_replicas(services, shared.scenario.baseline.headroom)[0]
    places, findings = first_places(shared)
    own = _own_roles(shared)
    return Partition(roles=own, replicas=replicas, findings=findings, places=places)


def static_peak(shared: Shared, progress: Callable[[str, float], None] | None) -> Partition:
    """Return the machines that peak replicas fill, the fewest that hold batch, and the rest."""
    own = _own_roles(shared)
    roles = np.full(len(own), NONE, np.int8)
    findings: list[str] = []
    replicas, missing = None, 0
    services, jobs = shared.workload.services, shared.workload.jobs
    if services is not None and len(services):
        replicas, guessed = peak_replicas(services, shared.scenario.baseline.headroom)
        if guessed:
            headroom = shared.scenario.baseline.headroom
            findings.append(
                f"{plural(guessed, 'service')} without recorded replicas: "
                f"peak load x {1 + headroom:g} assumed"
            )
        used, missing = _filled(shared, own, replicas)
        roles[used] = _ONLINE
        if missing:
            who = plural(missing, "replica")
            findings.append(f"{who} of the static peak found no room in the fleet")
    if jobs is not None and len(jobs):
        rest = np.flatnonzero((roles == NONE) & (own != _ONLINE) & (own != DATABASE))
        findings += _give_to_batch(shared, roles, rest, progress)
    places, more = first_places(shared)
    if places is not None:
        roles[places[places != NONE]] = DATABASE
    spare = _keep_spare(shared, roles, own)
    if spare:
        findings.append(
            f"{plural(spare, 'machine')} beyond static-peak {'is' if spare == 1 else 'are'} "
            "spare, for when others are out"
        )
    return Partition(
        roles=roles,
        replicas=replicas,
        findings=(*findings, *more),
        places=places,
        spare=spare,
        unplaced=missing,
    )


def _keep_spare(shared: Shared, roles: Int8Array, own: Int8Array) -> int:
    """Let machines serve in the place of those that will be out; return how many there are."""
    serving = np.flatnonzero(roles == _ONLINE)
    chosen = spares(
        shared, serving, np.flatnonzero((roles == NONE) & (own != _BATCH) & (own != DATABASE))
    )
    roles[chosen] = _ONLINE
    return len(chosen)


def _own_roles(shared: Shared) -> Int8Array:
    """Return each machine's role by its type; `any` serves only what batch leaves."""
    return np.repeat(
        np.array([ROLE_CODES[kind.role] for kind in shared.fleet], np.int8),
        [kind.count for kind in shared.fleet],
    )


def _filled(shared: Shared, own: Int8Array, replicas: IntArray) -> tuple[IntArray, int]:
    """Return the machines that hold all replicas, and how many replicas do not fit."""
    never = (own == _BATCH) | (own == DATABASE)
    roles = np.where(never, NONE, _ONLINE).astype(np.int8)
    setting = shared.setting("packing", roles=roles, replicas=replicas)
    world = Simulation(setting).world
    used = np.flatnonzero(world.mach["n_reps"] > 0)
    return used.astype(np.int64), int(world.w[0]["n_pending"])


def _in_proportion(shared: Shared, rest: IntArray) -> IntArray:
    """Return `rest` in an order whose every prefix holds the types in proportion."""
    kind = np.repeat(np.arange(len(shared.fleet)), [k.count for k in shared.fleet])[rest]
    place = np.empty(len(rest))
    for one in np.unique(kind):
        rows = np.flatnonzero(kind == one)
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    order: IntArray = rest[np.lexsort((kind, place))]
    return order


def _give_to_batch(
    shared: Shared,
    roles: Int8Array,
    rest: IntArray,
    progress: Callable[[str, float], None] | None,
) -> list[str]:
    """Give batch the fewest of `rest` with which it meets its objectives (bisection)."""
    jobs = shared.workload.jobs
    assert jobs is not None
    order = _in_proportion(shared, rest)
    findings = []
    slo = shared.scenario.slo
    limit_ms = slo.batch_wait_p95
    if limit_ms is None and slo.deadline_miss is None:
        limit_ms = WAIT_P95_ASSUMED_MS
        findings.append("no objective for batch: a 95th-percentile wait of 15 min assumed")
    low, high = _least(shared, jobs, order), len(order)
    if not order.size:
        return [*findings, "no machine is left for batch"]

    def meets(count: int) -> bool:
        return _meets(shared, roles, order[:count], limit_ms)

    if low < high and meets(low):
        high = low
    elif not meets(high):
        findings.append(f"batch misses its objectives even with all {high} machines left")
        low = high
    step = 0
    while high - low > 1:
        middle = (low + high) // 2
        if meets(middle):
            high = middle
        else:
            low = middle
        step += 1
        if progress is not None:
            progress("sizing static-peak", min(1.0, step / 10))
    roles[order[:high]] = _BATCH
    return findings


def _least(shared: Shared, jobs: Jobs, order: IntArray) -> int:
    """Return a number of machines that is too few or just enough: mean demand over capacity."""
    cpu_m = np.repeat(
        [k.cpu_m - k.reserved_cpu_m for k in shared.fleet], [k.count for k in shared.fleet]
    )[order]
    inside = np.minimum(jobs.duration_ms, shared.scenario.window_ms)
    work = float((inside * jobs.cpu_m.astype(np.float64) * jobs.tasks).sum())
    mean_m = work / shared.scenario.window_ms / 2  # half of it may well drain after the window
    least = int(np.searchsorted(np.cumsum(cpu_m), mean_m))
    return min(len(order), max(1, least))


def _meets(shared: Shared, roles: Int8Array, chosen: IntArray, limit_ms: int | None) -> bool:
    """Say whether batch meets its objectives on the chosen machines alone."""
    from dataclasses import replace

    own = np.full(len(roles), NONE, np.int8)
    own[chosen] = _BATCH
    setting = shared.setting("sizing", roles=own)
    # nobody asks when energy was used: one interval for all, which spares thousands of cuts
    whole = np.array([0, setting.window_ms, int(setting.edges_ms[-1])])
    setting = replace(setting, services=None, edges_ms=np.unique(whole))
    level = batch_level(shared, simulate(setting))
    miss_limit = shared.scenario.slo.deadline_miss
    if level["unfinished"] and shared.scenario.spec.end == "drain":
        return False
    if miss_limit is not None and (level["deadline_miss_share"] or 0.0) > miss_limit:
        return False
    return limit_ms is None or (level["wait_p95_s"] or 0.0) * 1000 <= SIZING_MARGIN * limit_ms
