"""The machines that were on, as somebody recorded or billed them, beside those of a run.

A machine that was on beyond the run's draws idle power. Where nothing is recorded the run's own
machines stand in, and the hours are told; a bill lists all, so that in the time it covers a type
without a row had none on.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting import ROLES_ON
from greensched.experiment.verify_actual import by_interval
from greensched.scenario.fleetspec import TypedMachine
from greensched.units import J_PER_KWH, MS_PER_H, S_PER_H

if TYPE_CHECKING:
    from greensched.accounting import Entries
    from greensched.experiment.world import Shared
    from greensched.model import BoolArray, FloatArray, MachineType
    from greensched.readers.machine_hours import MachineHours

COVERED: Final = 1.0 - 1e-6  # of an interval
Span = tuple[int, int, float]  # from, until [ms of the window], machine-hours


def with_recorded(
    world: Shared, told: MachineHours, start_ms: int, entries: Entries, simulated_kwh: FloatArray
) -> tuple[FloatArray, int, tuple[str, ...]]:
    """Return the facility energy [kWh, intervals x sites] with the machines that were on.

    Beside it their time on [ms], and what is to be said of it.
    """
    rows = _rows(told, start_ms)
    sites = [site.name for site in world.sites]
    kwh, machine_ms, said = simulated_kwh.copy(), 0, list(told.findings)
    known = _named(world, rows)
    for name in sorted(set(rows) - set(known)):
        hours = sum(amount for *_, amount in rows[name])
        said.append(f"machines of {name}: none of the scenario's, left out ({hours:,.10g} h)")
    whole = [span for spans in rows.values() for span in spans]
    for name, kinds in known.items():
        was_h = sum(_on_h(entries, kind.name) for kind in kinds)
        is_h, covered = _recorded(entries, rows.get(name, []), whole if told.lists_all else None)
        missing_h = float(np.diff(entries.edges_ms)[~covered].sum()) / MS_PER_H
        if missing_h:
            said.append(
                f"machines on of {name}: not recorded for {missing_h:,.10g} h, taken as simulated"
            )
        more_h = np.where(covered, is_h - was_h, 0.0)
        machine_ms += round(float((was_h + more_h).sum()) * MS_PER_H)
        kind = kinds[0]
        at = sites.index(kind.site)
        idle_w = kind.power.watts(0.0) + kind.gpus * kind.gpu_idle_w - kind.off_w
        kwh[:, at] += world.sites[at].pue_slope * idle_w * more_h * S_PER_H / J_PER_KWH
    return np.maximum(kwh, 0.0), machine_ms, tuple(said)


def _rows(told: MachineHours, start_ms: int) -> dict[str, list[Span]]:
    """Return what was recorded of each machine type, in time of the window."""
    shift_ms = start_ms if told.of_utc else 0
    found: dict[str, list[Span]] = defaultdict(list)
    for name, from_ms, until_ms, hours in zip(
        told.machine_type,
        (told.from_ms - shift_ms).tolist(),
        (told.until_ms - shift_ms).tolist(),
        told.machine_h.tolist(),
        strict=True,
    ):
        found[name].append((from_ms, until_ms, hours))
    return found


def _named(world: Shared, rows: dict[str, list[Span]]) -> dict[str, list[MachineType]]:
    """Return the machine types of the fleet by what they are called in `rows`.

    By the name of their entry, else by their published type, which entries of one site may share.
    """
    types = {
        entry.name: entry.type
        for entry in world.scenario.spec.fleet
        if isinstance(entry, TypedMachine)
    }
    found: dict[str, list[MachineType]] = defaultdict(list)
    for kind in world.fleet:
        published = types.get(kind.name, "")
        sites = {k.site for k in world.fleet if types.get(k.name, "") == published}
        by_type = kind.name not in rows and published in rows and len(sites) == 1
        found[published if by_type else kind.name].append(kind)
    return found


def _on_h(entries: Entries, machine_type: str) -> FloatArray:
    """Return the machine-hours on of a type by interval."""
    own = [g.machine_type == machine_type and g.role in ROLES_ON for g in entries.groups]
    on_h: FloatArray = entries.machine_ms[:, own].sum(axis=1) / MS_PER_H
    return on_h


def _recorded(
    entries: Entries, rows: list[Span], whole: list[Span] | None
) -> tuple[FloatArray, BoolArray]:
    """Return recorded machine-hours by interval, and which intervals are recorded in full.

    With `whole`, the rows of a file that lists all: from its first instant to its last.
    """
    edges_ms = entries.edges_ms
    is_h, _ = by_interval(edges_ms, rows)
    spans = rows if whole is None else [(min(r[0] for r in whole), max(r[1] for r in whole), 0.0)]
    _, share = by_interval(edges_ms, [(*span, 0.0) for span in _merged(spans)])
    return is_h, share >= COVERED


def _merged(rows: list[Span]) -> list[tuple[int, int]]:
    """Return the spans of rows, those that overlap or meet as one."""
    found: list[tuple[int, int]] = []
    for from_ms, until_ms, _ in sorted(rows):
        if found and from_ms <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until_ms))
        else:
            found.append((from_ms, until_ms))
    return found
