"""Databases have machines of their own, so what packs them needs no runs with other switches.

Nothing else runs on these machines, and databases run nowhere else. A run of all is thus a run
of services and jobs and one of databases, side by side: its usage has the columns of either
(docs/decisions/0026-speed.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.accounting.usage import ROLES, Usage
from greensched.engine.simulate import Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.accounting.usage import Group
    from greensched.engine.result import RunResult
    from greensched.experiment.lent import Lent
    from greensched.experiment.partition import Partition
    from greensched.model import MachineType, Policy

    Policies = tuple[Policy, ...]


def parted(policies: Policies, fleet: Partition) -> tuple[Policies, Policies]:
    """Return the policies for services and jobs, and those that pack databases.

    All are of the first kind where no databases run.
    """
    if fleet.places is None:
        return policies, ()
    return tuple(p for p in policies if not packs(p)), tuple(p for p in policies if packs(p))


def packs(policy: Policy) -> bool:
    """Say whether a policy places databases, and nothing else."""
    return bool(getattr(policy, "packs", False))


def databases_alone(lent: Lent, fleet: Partition, packing: Policies, end_ms: int) -> RunResult:
    """Return the run until `end_ms` of databases alone, made once a process."""
    known = lent.kept.get((packing, end_ms))
    if known is None:
        setting = lent.world.setting(
            "databases", policies=packing, roles=fleet.roles, places=fleet.places
        )
        setting = replace(setting, services=None, jobs=None)
        known = Simulation(setting).finish().extend(end_ms).result()
        lent.kept[packing, end_ms] = known
    return known


def beside(
    run: RunResult, before: RunResult, after: RunResult, fleet: Sequence[MachineType]
) -> RunResult:
    """Return a run with other databases: `before` are its own alone, `after` the others alone."""
    own = {(kind.site, kind.name) for kind in fleet if kind.role == "database"}
    return replace(
        run,
        usage=_joined(run.usage, after.usage, own, fleet),
        databases=after.databases,
        counts={
            name: n - before.counts[name] + after.counts[name] for name, n in run.counts.items()
        },
        move_energy_j=run.move_energy_j - before.move_energy_j + after.move_energy_j,
    )


def _joined(
    one: Usage, other: Usage, own: set[tuple[str, str]], fleet: Sequence[MachineType]
) -> Usage:
    """Return the usage of machines for databases from `other`, that of all others from `one`."""
    assert np.array_equal(one.edges_ms, other.edges_ms)
    place = {(kind.site, kind.name): i for i, kind in enumerate(fleet)}
    columns = [
        (part, i, group)
        for part, wanted in ((one, False), (other, True))
        for i, group in enumerate(part.groups)
        if ((group.site, group.machine_type) in own) == wanted
    ]

    def in_fleet(column: tuple[Usage, int, Group]) -> tuple[int, int]:
        group = column[2]
        return place[group.site, group.machine_type], ROLES.index(group.role)

    columns.sort(key=in_fleet)
    return Usage(
        edges_ms=one.edges_ms,
        groups=tuple(group for _, _, group in columns),
        energy_j=np.stack([part.energy_j[:, i] for part, i, _ in columns], axis=1),
        machine_ms=np.stack([part.machine_ms[:, i] for part, i, _ in columns], axis=1),
    )
