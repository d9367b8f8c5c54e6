"""Databases in a run: where they begin, what they got, and the fewest machines they need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.accounting import ROLES_ON
from greensched.bounds import fewest_for_databases as fewest_with_copies
from greensched.engine.databases import limits, machine_groups
from greensched.errors import plural
from greensched.model import NONE, ROLE_CODES
from greensched.policies.packing import Room, Terms, case_of, lower_bound, sum_of_peaks, unplaced
from greensched.units import MS_PER_MIN, S_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.engine.result import RunResult
    from greensched.experiment.world import Shared
    from greensched.model import IntArray, MachineType, Policy, Site

DATABASE = ROLE_CODES["database"]
AS_STORED = Terms(compression_share=0.0, compression_cpu_share=0.0)
FULL = replace(AS_STORED, cpu_headroom_share=0.0, disk_headroom_share=0.0, isolation_share=0.0)


def database_machines(fleet: Sequence[MachineType]) -> IntArray:
    """Return the numbers of the machines for databases."""
    own = np.repeat([kind.role == "database" for kind in fleet], [kind.count for kind in fleet])
    return np.flatnonzero(own).astype(np.int64)


def room_for_databases(fleet: Sequence[MachineType], sites: Sequence[Site]) -> Room:
    """Return what the machines for databases give, in the order of the fleet."""
    rows = database_machines(fleet)
    group = machine_groups(fleet, sites)
    disk_gib, iops = limits(fleet)
    kinds = [kind for kind in fleet for _ in range(kind.count)]
    return Room(
        cpu_m=np.array([kinds[m].cpu_m - kinds[m].reserved_cpu_m for m in rows], np.int64),
        iops=iops[rows],
        memory_mib=np.array(
            [kinds[m].memory_mib - kinds[m].reserved_memory_mib for m in rows], np.int64
        ),
        disk_gib=disk_gib[rows],
        rack=group[1][rows],
        site=group[2][rows],
    )


def first_places(shared: Shared) -> tuple[IntArray | None, tuple[str, ...]]:
    """Return the machine of each replica at the start, None without databases; and what is amiss.

    First-fit decreasing on the sum of the window's peaks, with the reserves of `Terms` and
    without compression: what a packer without a time axis makes of these databases. Who finds no
    room so takes what is kept free.
    """
    databases = shared.workload.databases
    if databases is None:
        return None, ()
    room = room_for_databases(shared.fleet, shared.sites)
    plan, told = sum_of_peaks(case_of(databases, room, AS_STORED)), []
    if tight := unplaced(plan):
        plan = sum_of_peaks(case_of(databases, room, FULL), plan)
        missing = unplaced(plan)
        if tight > missing:
            told.append(
                f"{plural(tight - missing, 'replica')} of databases found room only without the "
                "reserves that packing keeps"
            )
        if missing:
            told.append(f"{plural(missing, 'replica')} of databases found no room in the fleet")
    rows = database_machines(shared.fleet)
    places: IntArray = np.where(plan == NONE, NONE, rows[plan])
    return places, tuple(told)


def fewest_for_databases(shared: Shared) -> int | None:
    """Return the fewest machines that hold the window's databases, were it known beforehand.

    Reserves and compression are those of the scenario's switch that packs, else the usual ones.
    None without databases.
    """
    databases = shared.workload.databases
    if databases is None:
        return None
    given = [p for p in shared.scenario.policies if getattr(p, "packs", False)]
    terms = terms_of(given[0]) if given else Terms()
    return lower_bound(case_of(databases, room_for_databases(shared.fleet, shared.sites), terms))


def always_on(shared: Shared) -> int:
    """Return machines for databases that are on at every instant, whatever is done with them.

    As many as the memory of the placed replicas takes, and as one database has of them, which are
    apart; less those that are ever out, as what is out is not on. Reserves of a switch are left
    out: its plan keeps them on the history, and the window may take more or less.
    """
    table, (places, _) = shared.workload.databases, first_places(shared)
    if table is None or places is None:
        return 0
    database = np.repeat(np.arange(len(table)), table.replicas)
    copies = np.bincount(database[places != NONE], minlength=len(table))
    held = {"memory": (copies * table.memory_mib)[:, np.newaxis]}
    room = {"memory": room_for_databases(shared.fleet, shared.sites).memory_mib}
    least = fewest_with_copies(held, room, copies=int(copies.max(initial=0)))
    out = () if shared.outages is None else shared.outages.machine
    return max(0, least - len(np.intersect1d(out, database_machines(shared.fleet))))


def terms_of(policy: Policy) -> Terms:
    """Return the terms of a policy that packs."""
    terms: Terms = policy.terms  # type: ignore[attr-defined]  # what packs has them
    return terms


def database_level(shared: Shared, run: RunResult) -> dict[str, Any]:
    """Return the account of a run's databases; None where there are none."""
    databases, limit = shared.workload.databases, shared.scenario.slo.shortage_share
    out = run.databases
    if databases is None or not len(out.names):
        return _no_databases(limit)
    work, shortage = float(out.work_core_s.sum()), float(out.shortage_core_s.sum())
    share = shortage / work if work > 0 else 0.0
    minutes = out.short_ms / MS_PER_MIN
    return {
        "databases": len(databases),
        "replicas": int(databases.replicas.sum()),
        "unplaced": int((out.machine == NONE).sum()),
        "work_core_h": work / S_PER_H,
        "shortage_share": share,
        "shortage_share_limit": limit,
        "shortage_share_ok": None if limit is None else share <= limit,
        "violation_min": float(minutes.sum()),
        "violation_min_by_database": {
            name: float(m) for name, m in zip(out.names, minutes, strict=True) if m > 0
        },
        "machines_on_mean": _machines_on(shared, run),
    }


def _machines_on(shared: Shared, run: RunResult) -> float:
    """Return how many machines for databases are on, in the mean."""
    kinds = {kind.name for kind in shared.fleet if kind.role == "database"}
    on = [g.machine_type in kinds and g.role in ROLES_ON for g in run.usage.groups]
    return float(run.usage.machine_ms[:, on].sum() / run.end_ms)


def _no_databases(limit: float | None) -> dict[str, Any]:
    """Return the account of a run without databases."""
    return {
        "databases": 0,
        "replicas": 0,
        "unplaced": 0,
        "work_core_h": 0.0,
        "shortage_share": 0.0,
        "shortage_share_limit": limit,
        "shortage_share_ok": None,
        "violation_min": 0.0,
        "violation_min_by_database": {},
        "machines_on_mean": 0.0,
    }
