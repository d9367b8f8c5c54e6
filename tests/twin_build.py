"""From a setting to the twin's machines, services and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from greensched.model import NONE, OFF, ON
from tests.twin import BATCH_ROLE, Job, Machine
from tests.twin_replicas import Service

if TYPE_CHECKING:
    from greensched.model import Setting

ROLES = {"online": 0, "batch": BATCH_ROLE, "any": 2}


def machines(setting: Setting) -> list[Machine]:
    """Return the machines, in the order of the fleet."""
    kinds = [kind for kind in setting.fleet for _ in range(kind.count)]
    found = []
    for i, kind in enumerate(kinds):
        role = ROLES[kind.role]
        surplus = setting.roles is not None and int(setting.roles[i]) == NONE
        if setting.roles is not None and not surplus:
            role = int(setting.roles[i])
        found.append(
            Machine(
                i,
                kind,
                role,
                surplus,
                setting.interference,
                state=OFF if surplus else ON,
                free_gpu_m=[1000] * kind.gpus,
            )
        )
    return found


def services(setting: Setting) -> list[Service]:
    """Return the services."""
    table = setting.services
    return (
        []
        if table is None
        else [
            Service(
                i,
                int(table.replica_cpu_m[i]),
                int(table.replica_memory_mib[i]),
                int(table.replica_gpu_m[i]),
                int(table.startup_ms[i]),
                table.load_cpu_m[i].tolist(),
                table.step_ms,
            )
            for i in range(len(table))
        ]
    )


def jobs(setting: Setting) -> list[Job]:
    """Return the jobs, in the order of the trace."""
    table = setting.jobs
    if table is None:
        return []
    every = {kind.name for kind in setting.fleet}
    places = {kind.site for kind in setting.fleet}
    found = []
    for i in range(len(table)):
        group = table.classes[table.job_class[i]]
        uses: list[tuple[int, int]] = []
        if len(table.use_offsets):
            own = np.arange(table.use_offsets[i], table.use_offsets[i + 1])
            uses = [(int(table.use_until_ms[k]), int(table.use_cpu_m[k])) for k in own]
        found.append(
            Job(
                i,
                int(table.submit_ms[i]),
                int(table.duration_ms[i]),
                int(table.cpu_m[i]),
                int(table.memory_mib[i]),
                int(table.gpu_m[i]),
                int(table.tasks[i]),
                int(table.estimate_ms[i]),
                group,
                uses,
                set(group.machine_types) or every,
                set(group.sites) or places,
            )
        )
    return found
