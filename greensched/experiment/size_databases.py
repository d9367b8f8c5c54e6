"""The machines for databases in a size: beside those that serve and compute, on their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.bounds import Demand, server_need
from greensched.engine.simulate import Simulation
from greensched.experiment.databases import (
    DATABASE,
    database_level,
    database_machines,
    first_places,
    room_for_databases,
)
from greensched.model import NONE

if TYPE_CHECKING:
    from greensched.experiment.world import Shared
    from greensched.model import Databases, IntArray, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Machines for databases, as numbers in the fleet; `held`: no more shortage than may be."""

    machines: IntArray
    held: bool = True


NOTHING = Kept(machines=np.empty(0, np.int64))


def databases_kept(shared: Shared, policies: tuple[Policy, ...]) -> Kept:
    """Return the machines for databases that a fleet for these switches has.

    Without a switch that packs those of static-peak. With one those of the plan that it makes of
    the history, and as many more as a re-run of the databases needs to keep the shortage allowed:
    the scenario's, else static-peak's.
    """
    places, _ = first_places(shared)
    if places is None:
        return NOTHING
    static = np.unique(places[places != NONE])
    allowed = shared.scenario.slo.shortage_share
    if allowed is None:
        allowed = _shortage(shared, (), static, places)
    packing = tuple(p for p in policies if getattr(p, "packs", False))
    planned = _planned(shared, packing)
    if planned is None or (planned == NONE).any():
        return Kept(machines=static, held=_shortage(shared, packing, static, places) <= allowed)
    used = np.unique(planned)
    spare = [m for m in database_machines(shared.fleet).tolist() if m not in used]
    while _shortage(shared, packing, used, planned) > allowed:
        if not spare:
            return Kept(machines=used, held=False)
        used = np.append(used, spare.pop(0))
    return Kept(machines=np.sort(used))


def _planned(shared: Shared, packing: tuple[Policy, ...]) -> IntArray | None:
    """Return the machine of each replica by the plan of a switch, made of the history alone."""
    if not packing:
        return None
    own = database_machines(shared.fleet)
    everywhere = np.full(shared.machines, NONE, np.int8)
    everywhere[own] = DATABASE
    nowhere = np.full(int(_table(shared).replicas.sum()), NONE, np.int64)
    run = Simulation(shared.setting("packing", roles=everywhere, places=nowhere))
    (policy,) = packing
    view = run.databases_seen(ahead=getattr(policy, "oracle", False))
    plan: IntArray | None = policy.first_plan(view)  # type: ignore[attr-defined]  # what packs has
    return None if plan is None else np.where(plan == NONE, NONE, own[plan])


def _shortage(
    shared: Shared, packing: tuple[Policy, ...], machines: IntArray, places: IntArray
) -> float:
    """Return the share of the databases' work that finds no CPU on these machines alone."""
    roles = np.full(shared.machines, NONE, np.int8)
    roles[machines] = DATABASE
    setting = shared.setting("sizing", policies=packing, roles=roles, places=places)
    run = Simulation(replace(setting, services=None, jobs=None)).finish().result()
    share: float = database_level(shared, run)["shortage_share"]
    return share


def bound_for_databases(shared: Shared) -> int:
    """Return the fewest machines for databases of any fleet, whatever is done with them.

    The level of CPU above which no more is wanted than may be short, and memory, over that of the
    largest machine; and the replicas of one database, which are on as many machines. Loose as
    `server_need`: replicas are split at will, one resource at a time; disk is left out, as it may
    be compressed.
    """
    if shared.workload.databases is None:
        return 0
    table, room = _table(shared), room_for_databases(shared.fleet, shared.sites)
    wanted = table.replicas @ table.cpu_m
    length_ms = np.full(len(wanted), table.step_ms, np.int64)
    share = shared.scenario.slo.shortage_share
    none = np.zeros(0, np.int64)
    need = server_need(
        Demand(
            load_cpu_m=wanted[None, :],
            length_ms=length_ms,
            size=np.array([[1], [0], [0]], np.int64),
            shortage_allowed=int((1.0 if share is None else share) * int(wanted @ length_ms)),
            submit_ms=none,
            work=np.zeros((3, 0)),
            end_ms=int(length_ms.sum()),
        )
    )
    cpu = -(-need.online[0] // int(room.cpu_m.max()))
    memory = -(-int(table.replicas @ table.memory_mib) // int(room.memory_mib.max()))
    return max(cpu, memory, int(table.replicas.max()))


def _table(shared: Shared) -> Databases:
    databases = shared.workload.databases
    assert databases is not None
    return databases
