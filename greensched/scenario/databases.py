"""Databases of a scenario: their trace in the time of the window, and whether they fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.errors import Finding, plural
from greensched.model import BY_MACHINE, BY_RACK, BY_SITE
from greensched.scenario.cut import not_known, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greensched.model import Databases, IntArray, MachineType

COLUMNS = ("cpu_m", "iops")


def cut_databases(
    databases: Databases, from_ms: int, window_ms: int, *, noise: float, rng: np.random.Generator
) -> tuple[Databases, bool]:
    """Return the databases on `[from_ms, from_ms + window_ms)`, and whether load was repeated.

    The trace's instant `from_ms` becomes 0. A series that ends before the window is repeated as
    that of services is. Raises DataError where nothing is known at `from_ms`.
    """
    first = (from_ms - databases.start_ms) // databases.step_ms
    steps = databases.cpu_m.shape[1]
    if not 0 <= first < steps:
        end_ms = databases.start_ms + steps * databases.step_ms
        raise not_known("databases", databases.start_ms, end_ms, from_ms)
    start_ms = databases.start_ms + first * databases.step_ms - from_ms
    wanted = -(-(window_ms - start_ms) // databases.step_ms)
    part = _steps(databases, first, first + wanted, start_ms)
    if wanted <= steps - first:
        return part, False
    both = np.concatenate([part.cpu_m, part.iops])
    longer = repeated(both, wanted, databases.step_ms, noise, rng)
    cpu_m, iops = np.split(longer, 2)
    return replace(part, cpu_m=_readonly(cpu_m), iops=_readonly(iops)), True


def history_databases(databases: Databases, from_ms: int, history_ms: int) -> Databases | None:
    """Return the databases on at most `history_ms` before `from_ms`; None where none is known."""
    step_ms = databases.step_ms
    last = (from_ms - databases.start_ms) // step_ms
    first = max(0, last - history_ms // step_ms)
    if last <= first:
        return None
    return _steps(databases, first, last, databases.start_ms + first * step_ms - from_ms)


def _steps(databases: Databases, first: int, last: int, start_ms: int) -> Databases:
    """Return the steps `first:last`, of which the first begins at `start_ms`."""
    columns: dict[str, Any] = {n: getattr(databases, n)[:, first:last] for n in COLUMNS}
    return replace(
        databases,
        start_ms=int(start_ms),
        **{name: _readonly(np.ascontiguousarray(c, np.int64)) for name, c in columns.items()},
    )


def check_databases(databases: Databases, fleet: tuple[MachineType, ...]) -> list[Finding]:
    """Return a finding for databases without machines, or larger than every machine for them."""
    where = "traces.databases"
    kinds = [kind for kind in fleet if kind.role == "database" and kind.count]
    if not kinds:
        what, remedy = "no machine is for databases", "add a fleet entry with 'role: database'"
        return [Finding(where=where, what=what, remedy=remedy)]
    fits = np.zeros(len(databases), np.bool_)
    for kind in kinds:
        fits |= _fitting(databases, kind)
    names = [databases.names[i] for i in np.flatnonzero(~fits)]
    if not names:
        return [*_not_apart(databases, kinds)]
    are = "database is" if len(names) == 1 else "databases are"
    what = f"{len(names)} {are} larger than every machine for databases: {names[0]}"
    remedy = "give the fleet entry more cores, memory, disk or I/O"
    return [Finding(where=where, what=what, remedy=remedy)]


def _not_apart(databases: Databases, kinds: Sequence[MachineType]) -> Iterator[Finding]:
    """Yield that databases have more replicas than there are places that are apart."""
    there = {
        BY_MACHINE: ("machine", sum(kind.count for kind in kinds)),
        BY_RACK: ("rack", sum(min(kind.racks or kind.count, kind.count) for kind in kinds)),
        BY_SITE: ("site", len({kind.site for kind in kinds})),
    }
    for rule, (what, places) in there.items():
        rows = np.flatnonzero((databases.apart == rule) & (databases.replicas > places))
        if len(rows):
            have = "database has" if len(rows) == 1 else "databases have"
            many = int(databases.replicas[rows[0]])
            text = f"{len(rows)} {have} more replicas, each on a {what} of its own, than the "
            text += f"{plural(places, what)} for databases: {databases.names[rows[0]]} has {many}"
            remedy = f"add machines for databases, or put replicas less apart than by {what}"
            yield Finding(where="traces.databases", what=text, remedy=remedy)


def _fitting(databases: Databases, kind: MachineType) -> Any:
    """Return whether one replica of each database fits on an empty machine."""
    fits: IntArray = databases.cpu_m.max(axis=1) <= kind.cpu_m - kind.reserved_cpu_m
    fits = fits & (databases.memory_mib <= kind.memory_mib - kind.reserved_memory_mib)
    if kind.disk_gib:
        fits = fits & (databases.disk_gib <= kind.disk_gib)
    if kind.iops:
        fits = fits & (databases.iops.max(axis=1) <= kind.iops)
    return fits


def _readonly(array: Any) -> Any:
    array.setflags(write=False)
    return array
