"""When machines are out: failures of a trace, failures that are drawn, and maintenance.

All of it is settled before any run, so that all runs of a scenario see the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding, ScenarioError, plural
from greensched.model import Outages, merged
from greensched.scenario.paths import resolved
from greensched.scenario.words import near
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greensched.model import IntArray, MachineType
    from greensched.readers.outages import OutageRow, OutageTable
    from greensched.scenario.loading import Scenario
    from greensched.scenario.outagespec import FailureLaw

MACHINE_FAILURES, SITE_FAILURES = 6, 7  # streams of the seed
OUTAGES_MAX: Final = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Outages of a scenario's machines, and what is to be known of where they come from."""

    outages: Outages
    synthetic: bool  # some were drawn
    checksums: tuple[tuple[str, str], ...]  # of the trace: source as written, checksum
    findings: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Rows:
    """Outages as they are collected; times in milliseconds since the window's start."""

    machine: list[IntArray] = field(default_factory=list)
    times_ms: list[tuple[int, int, int]] = field(default_factory=list)  # leave, from, until

    def add(self, machines: IntArray, leave_ms: int, from_ms: int, until_ms: int) -> None:
        """Note one outage of some machines."""
        self.machine.append(machines)
        self.times_ms.append((leave_ms, from_ms, until_ms))

    def until(self, last_ms: int) -> Outages:
        """Return those that meet the time from 0 until `last_ms`, merged."""
        times = np.array(self.times_ms, np.int64).reshape(-1, 3)
        lengths = [len(m) for m in self.machine]
        machine = np.concatenate([*self.machine, np.empty(0, np.int64)])
        leave_ms, from_ms, until_ms = np.repeat(times, lengths, axis=0).T
        keep = (until_ms > 0) & (from_ms < last_ms)
        return merged(
            machine[keep],
            np.maximum(leave_ms[keep], 0),
            np.maximum(from_ms[keep], 0),
            until_ms[keep],
        )


def planned(scenario: Scenario, fleet: Sequence[MachineType], last_ms: int) -> Planned | None:
    """Return the outages until `last_ms` from the window's start; None where there are none.

    Raises ScenarioError for places that are not there, DataError for a trace that is not good.
    """
    failures, maintenance = scenario.spec.failures, scenario.spec.maintenance
    if failures is not None and not failures.enabled:
        failures = None
    if failures is None and not any(entry.enabled for entry in maintenance):
        return None
    places, rows = _Places(fleet), _Rows()
    checksums: tuple[tuple[str, str], ...] = ()
    findings: list[str] = []
    if failures is not None and failures.trace is not None:
        table = _read(scenario, failures.trace, failures.time_zone or "")
        checksums = ((failures.trace, table.checksum),)
        _recorded(scenario, table, places, rows)
        findings.append(f"{table.label}: {_met(scenario, table, last_ms)}")
    laws = () if failures is None else _laws(failures.machines, failures.sites, places)
    for law, units, what in laws:
        findings.append(_drawn(law, units, last_ms, scenario, what, rows))
    findings += _maintained(scenario, places, rows, last_ms)
    return Planned(
        outages=rows.until(last_ms),
        synthetic=bool(laws),
        checksums=checksums,
        findings=tuple(findings),
    )


class _Places:
    """Machines, in fleet order, by type and by site."""

    def __init__(self, fleet: Sequence[MachineType]) -> None:
        """Number the machines."""
        first = np.cumsum([0, *(kind.count for kind in fleet)])
        self.types: dict[str, IntArray] = {
            kind.name: np.arange(first[i], first[i + 1]) for i, kind in enumerate(fleet)
        }
        self.sites: dict[str, IntArray] = {}
        for kind in fleet:
            held = self.sites.get(kind.site, np.empty(0, np.int64))
            self.sites[kind.site] = np.append(held, self.types[kind.name])


def _since_start_ms(scenario: Scenario, instant: datetime) -> int:
    """Return an instant as milliseconds since the window's start."""
    return (instant - _EPOCH) // timedelta(milliseconds=1) - scenario.start_utc_ms


def _maintained(scenario: Scenario, places: _Places, rows: _Rows, last_ms: int) -> Iterator[str]:
    """Add the windows of maintenance; yields what is to be known of those that never come."""
    for i, entry in enumerate(scenario.spec.maintenance):
        known = places.types if entry.site is None else places.sites
        name = entry.fleet or entry.site or ""
        if name not in known:
            key = "fleet" if entry.site is None else "site"
            where = scenario.source.where(("maintenance", i, key))
            what = f"no machine is of '{name}'"
            raise ScenarioError(Finding(where=where, what=what, remedy=near(name, known)))
        if not entry.enabled:
            continue
        from_ms = _since_start_ms(scenario, entry.since)
        until_ms = _since_start_ms(scenario, entry.until)
        rows.add(known[name], from_ms - entry.notice, from_ms, until_ms)
        if until_ms <= 0 or from_ms >= last_ms:
            yield (
                f"the maintenance of '{name}' from {entry.since.isoformat()} is not within the "
                "time of the runs: it takes nothing out of service"
            )
        elif from_ms >= scenario.window_ms:
            yield (
                f"the maintenance of '{name}' from {entry.since.isoformat()} begins after the "
                "window: it takes machines out of service only if jobs still run then"
            )


def _read(scenario: Scenario, trace: str, time_zone: str) -> OutageTable:
    """Return the trace's rows."""
    from greensched.readers.outages import read_outages

    path = resolved(scenario, trace, scenario.source.where(("failures", "trace")))
    return read_outages(path, time_zone)


def _recorded(scenario: Scenario, table: OutageTable, places: _Places, rows: _Rows) -> None:
    """Add the outages of a trace; raises DataError for all rows of what is not there."""
    offset_ms = scenario.start_utc_ms if table.of_utc else 0
    findings = []
    for row in table.rows:
        known = places.sites if row.site else places.types
        name = row.site or row.machine_type
        machines = known.get(name)
        if machines is None:
            what = f"unknown {'site' if row.site else 'machine_type'} '{name}'"
            findings.append(_bad_row(table, row, what, near(name, known)))
        elif row.machine > len(machines):
            what = f"machine {row.machine} of '{name}', which has {len(machines)}"
            findings.append(_bad_row(table, row, what, "they are numbered from 1"))
        else:
            own = machines[row.machine - 1 : row.machine] if row.machine else machines
            from_ms = row.from_ms - offset_ms
            rows.add(own, from_ms, from_ms, row.until_ms - offset_ms)
    if findings:
        raise DataError(*findings)


def _met(scenario: Scenario, table: OutageTable, last_ms: int) -> str:
    """Return how many outages are recorded, and how many the runs meet where those are fewer."""
    recorded = f"{plural(len(table.rows), 'outage')} recorded"
    at_ms = scenario.start_utc_ms if table.of_utc else 0
    met = sum(row.until_ms > at_ms and row.from_ms - at_ms < last_ms for row in table.rows)
    if met == len(table.rows):
        return recorded
    return f"{recorded}, {met:,} of them within the time of the runs"


def _bad_row(table: OutageTable, row: OutageRow, what: str, remedy: str) -> Finding:
    return Finding(where=f"{table.label} row {row.row:,}", what=what, remedy=remedy)


def _laws(
    machines: FailureLaw | None, sites: FailureLaw | None, places: _Places
) -> list[tuple[FailureLaw, dict[tuple[int, ...], IntArray], str]]:
    """Return each law with what fails by it: machines by seed, and what they are called.

    A machine's seed is its type and its number there, so that it fails alike in a larger fleet.
    """
    laws: list[tuple[FailureLaw, dict[tuple[int, ...], IntArray], str]] = []
    units: dict[tuple[int, ...], IntArray]
    if machines is not None:
        units = {
            (MACHINE_FAILURES, i, n): own[n : n + 1]
            for i, own in enumerate(places.types.values())
            for n in range(len(own))
        }
        laws.append((machines, units, "machine"))
    if sites is not None:
        units = {(SITE_FAILURES, i): own for i, own in enumerate(places.sites.values())}
        laws.append((sites, units, "site"))
    return laws


def _drawn(
    law: FailureLaw,
    units: dict[tuple[int, ...], IntArray],
    last_ms: int,
    scenario: Scenario,
    what: str,
    rows: _Rows,
) -> str:
    """Add the failures of all units until `last_ms`; return what was drawn, in words."""
    expected = len(units) * last_ms / (law.mtbf + law.mttr)
    if expected > OUTAGES_MAX:
        where = scenario.source.where(("failures", f"{what}s"))
        told = f"{expected:,.0f} failures are more than {OUTAGES_MAX:,}"
        raise ScenarioError(Finding(where=where, what=told, remedy="raise 'mtbf'"))
    count = 0
    for seed, machines in units.items():
        for from_ms, until_ms in outages_of(law, last_ms, (scenario.seed, *seed)):
            rows.add(machines, from_ms, from_ms, until_ms)
            count += from_ms < scenario.window_ms
    shape = "" if law.weibull_shape == 1.0 else f" of shape {law.weibull_shape:g}"
    return (
        f"failures: {count:,} {what} outages in the window are drawn ({law.distribution}{shape}, "
        f"mtbf {_span(law.mtbf)}, mttr {law.mttr / MS_PER_H:g} h)"
    )


def _span(time_ms: int) -> str:
    """Return a time in days, or in hours where it is shorter than one."""
    days = time_ms / MS_PER_DAY
    return f"{days:g} d" if days >= 1 else f"{time_ms / MS_PER_H:g} h"


def outages_of(law: FailureLaw, last_ms: int, seed: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return when one unit is out (from, until [ms]) of a renewal process that has long run.

    At 0 it is out with probability mttr / (mtbf + mttr). Else the time to its first failure is
    the rest of an interval that covers 0: a uniform part of a length-biased one (Cox 1962, Renewal
    Theory, chapter 5); for a Weibull of shape k and scale b that is b G^(1/k), G ~ Gamma(1 + 1/k).
    """
    rng = np.random.default_rng(seed)
    shape = law.weibull_shape
    scale_ms = law.mtbf / math.gamma(1.0 + 1.0 / shape)
    at_ms = 0.0
    if rng.random() >= law.mttr / (law.mtbf + law.mttr):
        at_ms = rng.random() * scale_ms * rng.gamma(1.0 + 1.0 / shape) ** (1.0 / shape)
    found = []
    while at_ms < last_ms:
        until_ms = at_ms + rng.exponential(law.mttr)
        from_ms = int(at_ms)
        found.append((from_ms, max(from_ms + 1, int(until_ms))))
        at_ms = until_ms + scale_ms * rng.weibull(shape)
    return found
