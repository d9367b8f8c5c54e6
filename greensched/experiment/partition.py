"""Who serves, computes, keeps databases, is surplus: the machines that static-peak needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import plural
from greensched.experiment.batch_machines import no_objective
from greensched.experiment.databases import DATABASE, first_places
from greensched.experiment.fewest import fewest_machines
from greensched.experiment.spare import spares
from greensched.model import NONE, ROLE_CODES, Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.world import Shared
    from greensched.model import Int8Array, IntArray

_ONLINE, _BATCH = ROLE_CODES["online"], ROLE_CODES["batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Roles of all machines (NONE: surplus), replicas at the start, and what was assumed.

    `spare` of the machines that serve are there for when others are out; `unplaced` replicas of
    services found no room. `serve_types` and `batch_types` are machine types in the order in
    which they were taken; empty where no order was: then the fleet's stands for it.
    """

    roles: Int8Array
    replicas: IntArray | None
    findings: tuple[str, ...] = ()
    places: IntArray | None = None  # machines of databases' replicas; None: there are none
    spare: int = 0
    unplaced: int = 0
    serve_types: tuple[int, ...] = ()
    batch_types: tuple[int, ...] = ()


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
    """Return the machines that peak replicas fill, the fewest that hold batch, and the rest.

    Of the ways to fill a fleet of several types the one that takes the fewest machines.
    """
    own = _own_roles(shared)
    findings: list[str] = []
    replicas = None
    services = shared.workload.services
    if services is not None and len(services):
        replicas, guessed = peak_replicas(services, shared.scenario.baseline.headroom)
        if guessed:
            headroom = shared.scenario.baseline.headroom
            findings.append(
                f"{plural(guessed, 'service')} without recorded replicas: "
                f"peak load x {1 + headroom:g} assumed"
            )
    fewest = fewest_machines(shared, own, replicas, progress)
    roles = np.full(len(own), NONE, np.int8)
    roles[fewest.filling.machines], roles[fewest.batch] = _ONLINE, _BATCH
    if missing := fewest.filling.unplaced:
        who = plural(missing, "replica")
        findings.append(f"{who} of the static peak found no room in the fleet")
    if shared.workload.jobs is not None and len(shared.workload.jobs) and no_objective(shared):
        findings.append("no objective for batch: a 95th-percentile wait of 15 min assumed")
    findings += [] if fewest.finding is None else [fewest.finding]
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
        serve_types=fewest.filling.types,
        batch_types=fewest.batch_types,
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
