"""Meters beside an as-recorded run: the same periods of both, hour by hour.

Readings of at most an hour are added up to hours of the run; longer ones (an invoice) are periods
of their own. Meters of machines of one type count together: the engine keeps no energy by
machine, and machines of a type are alike to it. A period counts only where all of them cover it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.experiment.calibrate_fit import Rows
from greensched.model import NONE
from greensched.units import MS_PER_DAY, MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.experiment.calibrate_basis import Recorded
    from greensched.experiment.world import Shared
    from greensched.model import FloatArray, IntArray
    from greensched.readers.meter import Meter

COVERED: Final = 1.0 - 1e-9  # of a period


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Meters that count together, and over which periods [ms of the run] they say how much."""

    label: str
    site: int  # whose PUE multiplies; NONE: an IT meter
    types: tuple[int, ...]  # numbers of the machine types under it
    share: float  # of the type's machines
    from_ms: IntArray
    until_ms: IntArray
    energy_j: FloatArray
    meters: int
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """All periods of all groups as rows, and the group of each.

    `day` is that of each row since 1970, local. Days that a reading joins are one to the fit, the
    first of them: else an invoice would tell it of days that it is judged on.
    """

    groups: tuple[Group, ...]
    rows: Rows
    group: IntArray
    from_ms: IntArray
    until_ms: IntArray
    day: IntArray


def joined(shared: Shared, run: Recorded, meters: Sequence[Meter]) -> Joined:
    """Return readings beside the run; raises DataError for meters of what is not there."""
    groups = meter_groups(shared, meters)
    parts = [_rows(shared, run, group) for group in groups]
    rows = Rows(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Rows.__dataclass_fields__
        }
    )
    lengths = [len(group.from_ms) for group in groups]
    from_ms = np.concatenate([group.from_ms for group in groups])
    until_ms = np.concatenate([group.until_ms for group in groups])
    return Joined(
        groups=groups,
        rows=rows,
        group=np.repeat(np.arange(len(groups)), lengths),
        from_ms=from_ms,
        until_ms=until_ms,
        day=_days(from_ms, until_ms, shared.scenario.start_offset_ms),
    )


def _days(from_ms: IntArray, until_ms: IntArray, offset_ms: int) -> IntArray:
    """Return the day of each row since 1970; days that are joined by a row are the first of them.

    A row joins days where it ends after another one has begun.
    """
    order = np.argsort(from_ms, kind="stable")
    day = (from_ms[order] + offset_ms) // MS_PER_DAY
    latest_ms = np.maximum.accumulate(until_ms[order])[:-1]
    begins = np.append(True, (np.diff(day) > 0) & (from_ms[order][1:] >= latest_ms))
    found = np.empty_like(day)
    found[order] = day[begins][np.cumsum(begins) - 1]
    return found


def meter_groups(shared: Shared, meters: Sequence[Meter]) -> tuple[Group, ...]:
    """Return the meters in groups, by what they measure."""
    by_place: dict[tuple[str, str, str], list[Meter]] = {}
    for meter in meters:
        point = meter.point
        by_place.setdefault((point.site, point.machine_type, point.boundary), []).append(meter)
    findings: list[Finding] = []
    groups = []
    for place, own in sorted(by_place.items()):
        try:
            groups.append(_group(shared, place, own))
        except DataError as error:
            findings += error.findings
    if findings:
        raise DataError(*findings)
    return tuple(groups)


def _group(shared: Shared, place: tuple[str, str, str], own: list[Meter]) -> Group:
    """Return one group; raises DataError for a place that the scenario does not have."""
    site, machine_type, boundary = place
    types, told = _types(shared, site, machine_type)
    names = [s.name for s in shared.sites]
    of_site = shared.fleet[types[0]].site
    share, findings = _share(shared, types, own) if machine_type else (1.0, ())
    from_ms, until_ms, energy_j = _periods(shared, own, told)
    return Group(
        label=f"{told} ({boundary})",
        site=names.index(of_site) if boundary == "facility" else NONE,
        types=types,
        share=share,
        from_ms=from_ms,
        until_ms=until_ms,
        energy_j=energy_j,
        meters=len(own),
        findings=findings,
    )


def _types(shared: Shared, site: str, machine_type: str) -> tuple[tuple[int, ...], str]:
    """Return the machine types of a place, and what it is called."""
    told = f"site {site}" if site else machine_type
    types = tuple(
        i
        for i, kind in enumerate(shared.fleet)
        if (kind.site == site if site else kind.name == machine_type)
    )
    if not types:
        known = [s.name for s in shared.sites] if site else [k.name for k in shared.fleet]
        what = f"a meter of {told}, which the scenario does not have"
        remedy = f"there are: {', '.join(known)}"
        raise DataError(Finding(where="--meter", what=what, remedy=remedy))
    return types, told


def _share(
    shared: Shared, types: tuple[int, ...], own: list[Meter]
) -> tuple[float, tuple[str, ...]]:
    """Return which share of a type's machines is under meters, and what is to be said of it."""
    kind = shared.fleet[types[0]]
    machines = sum(m.point.machines or kind.count for m in own)
    if machines > kind.count:
        what = (
            f"{machines:,} machines of {kind.name} under meters, the scenario has {kind.count:,}"
        )
        remedy = "check 'machines', and that no machine is under two meters"
        raise DataError(Finding(where="--meter", what=what, remedy=remedy))
    if machines == kind.count:
        return 1.0, ()
    told = f"{machines:,} of {kind.count:,} machines of {kind.name} have a meter and stand for all"
    return machines / kind.count, (told,)


def _periods(shared: Shared, own: list[Meter], told: str) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the periods that all meters of a group cover within the window, and their sum."""
    shift_ms = shared.scenario.start_utc_ms if own[0].of_utc else 0
    window_ms = shared.scenario.window_ms
    if max(int(np.median(m.until_ms - m.from_ms)) for m in own) <= MS_PER_H:
        hours = np.arange(0, window_ms + 1, MS_PER_H)
        from_ms, until_ms = hours[:-1], hours[1:]
    else:
        from_ms, until_ms = own[0].from_ms - shift_ms, own[0].until_ms - shift_ms
    inside = (from_ms >= 0) & (until_ms <= window_ms)
    from_ms, until_ms = from_ms[inside], until_ms[inside]
    energy_j = np.zeros(len(from_ms))
    covered = np.ones(len(from_ms), np.bool_)
    for meter in own:
        amount, share = _within(meter, from_ms + shift_ms, until_ms + shift_ms)
        energy_j += amount
        covered &= share >= COVERED
    if not covered.any():
        what = f"no reading of {told} covers a whole hour of the scenario's window"
        remedy = "check times, time zone and the scenario's window"
        raise DataError(Finding(where="--meter", what=what, remedy=remedy))
    return from_ms[covered], until_ms[covered], energy_j[covered]


def _within(meter: Meter, from_ms: IntArray, until_ms: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the energy [J] of a meter in each period, and the share of it that readings cover.

    Within a reading power is taken for constant.
    """
    times = np.stack([meter.from_ms, meter.until_ms], axis=1).ravel()
    total = {}
    for name, each in (("j", meter.energy_j), ("ms", meter.until_ms - meter.from_ms)):
        sums = np.concatenate([[0.0], np.cumsum(each, dtype=np.float64)])
        total[name] = np.stack([sums[:-1], sums[1:]], axis=1).ravel()
    energy_j, covered_ms = (
        np.interp(until_ms, times, sums) - np.interp(from_ms, times, sums)
        for sums in total.values()
    )
    return energy_j, covered_ms / (until_ms - from_ms)


def _rows(shared: Shared, run: Recorded, group: Group) -> Rows:
    """Return the rows of a group: what the run says of its machines in the same periods."""
    entries = len(run.given)
    idle, peak = np.zeros((2, len(group.from_ms), entries))
    rest_j = np.zeros(len(group.from_ms))
    for i in group.types:
        basis = run.types[i]
        for table, column in ((idle, basis.idle_s), (peak, basis.peak_s)):
            table[:, basis.entry] += group.share * _during(run.edges_ms, column, group)
        rest_j += group.share * _during(run.edges_ms, basis.rest_j, group)
    fixed_w = shared.sites[group.site].fixed_w if group.site != NONE else 0.0
    return Rows(
        energy_j=group.energy_j,
        idle=idle,
        peak=peak,
        rest_j=rest_j,
        fixed_j=fixed_w * (group.until_ms - group.from_ms) / MS_PER_S,
        site=np.full(len(group.from_ms), group.site),
        weight=np.full(len(group.from_ms), 1.0 / max(1e-9, float(group.energy_j.mean()))),
    )


def _during(edges_ms: IntArray, column: FloatArray, group: Group) -> FloatArray:
    """Return the sum of a run's column in each period; within an interval it is even."""
    sums = np.concatenate([[0.0], np.cumsum(column)])
    found: FloatArray = np.interp(group.until_ms, edges_ms, sums) - np.interp(
        group.from_ms, edges_ms, sums
    )
    return found
