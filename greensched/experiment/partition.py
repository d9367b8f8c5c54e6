"""Who serves, computes, keeps databases, is surplus: the machines that static-peak needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import plural
from greensched.experiment.batch_machines import no_objective
from greensched.experiment.databases import DATABASE, first_places
from greensched.experiment.fewest import fewest_machines
from greensched.experiment.spare import spares
from greensched.model import NONE, ROLE_CODES, Services
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from greensched.experiment.world import Shared
    from greensched.model import Int8Array, IntArray, Policy

SCALING: Final = ("elastic", "autoscaled")  # kinds of policy that change replicas
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


def pooled(shared: Shared, fleet: Partition, static: Partition) -> Partition:
    """Return `fleet` with the machines that serve and compute as the scenario's `pools` has them.

    `static` is static-peak's. Without `pools` nothing is changed.
    """
    pools = shared.scenario.spec.pools
    if pools is None:
        return fleet
    roles, first = np.where(fleet.roles == DATABASE, DATABASE, NONE).astype(np.int8), 0
    for kind in shared.fleet:
        if kind.name in pools:
            serve, compute = pools[kind.name].serve, pools[kind.name].compute
            roles[first : first + serve] = _ONLINE
            roles[first + serve : first + serve + compute] = _BATCH
        first += kind.count
    short = static.unplaced
    if (roles == _ONLINE).sum() < (static.roles == _ONLINE).sum():
        short = max(1, short)
    return replace(fleet, roles=roles, spare=0, unplaced=short)


def replicas_at_start(
    shared: Shared, fleet: Partition, policies: Iterable[Policy], *, short: bool
) -> IntArray | None:
    """Return the replicas at the start: the fleet's, where machines are there for all.

    Where they are short, services that are scaled begin with what static-peak's rule gives for
    the load of the first hour: replicas for the peak would find no room.
    """
    services = shared.workload.services
    if services is None or fleet.replicas is None or not short or not any(map(scales, policies)):
        return fleet.replicas
    steps = max(1, MS_PER_H // services.step_ms)
    first = replace(services, load_cpu_m=services.load_cpu_m[:, :steps])
    unknown = replace(first, replicas=np.full(len(services), NONE, np.int64))
    headroom = shared.scenario.baseline.headroom
    return np.minimum(fleet.replicas, peak_replicas(unknown, headroom)[0])


def scales(policy: Policy) -> bool:
    """Say whether a policy changes replicas."""
    return policy.kind.startswith(SCALING)


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
