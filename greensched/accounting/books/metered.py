"""Electricity of sites by the hour, from the entries that an account wrote into a ledger.

Entries of a baseline were never emitted: they are no part of an inventory, and what they exceed
the others by is what a run avoided. So is what a settlement of the batch runner says that waiting
saved; its energy is part of its site's and not counted again. A row that is superseded, alone or
with its run, counts nothing. An entry that is longer than an hour makes its site's year one
interval, which is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.accounting.books.book import Avoided, Range, Saved
from greensched.accounting.books.electricity import CATEGORY, Electricity, Priced
from greensched.errors import DataError, Finding
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from greensched.accounting.factors import Quality
    from greensched.carbon import Signal
    from greensched.model import IntArray

    Record: TypeAlias = Mapping[str, Any]

BASELINE: Final = "baseline"
OPERATED: Final = "operated"
SETTLED: Final = "waiting for clean hours"
AT_ONCE: Final = "start at once"
EMBODIED: Final = "2 capital goods"
COLUMNS: Final = (
    "energy_it_mwh",
    "energy_facility_mwh",
    "emissions_low_mg",
    "emissions_mg",
    "emissions_high_mg",
)
WORST_FIRST: Final[tuple[Quality, ...]] = (
    "synthetic",
    "assumed",
    "filled",
    "modelled",
    "measured",
)
SHOWN: Final = 3  # factors of one line by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A calendar year where the company is: its first instant [ms since 1970] and its hours."""

    year: int
    start_ms: int
    hours: int
    end_ms: int = field(init=False)  # the instant after it

    def __post_init__(self) -> None:
        """Reckon its end."""
        object.__setattr__(self, "end_ms", self.start_ms + self.hours * MS_PER_H)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What the entries say of a year; `embodied` is the time-linear share of the machines."""

    electricity: tuple[Electricity, ...]
    embodied: Range
    avoided: Avoided
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Site:
    """A site's year as it is read: hours as rows of `COLUMNS`, and what they are by."""

    table: IntArray
    factors: set[tuple[str, str, str]] = field(default_factory=set)
    bases: set[str] = field(default_factory=set)
    qualities: set[Quality] = field(default_factory=set)
    is_hourly: bool = True


@dataclass(slots=True)
class _Reading:
    """A year as it is read: sites, emissions of runs with and without baseline, embodied."""

    year: Year
    sites: dict[str, _Site] = field(default_factory=dict)
    runs: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    embodied: list[int] = field(default_factory=lambda: [0, 0, 0])
    settled: dict[Signal, int] = field(default_factory=dict)

    def settle(self, record: Record) -> None:
        """Add what waiting saved, by the signal that it was settled with."""
        signal: Signal = record["intensity"]["signal"]
        self.settled[signal] = self.settled.get(signal, 0) + int(record["saved_mg"])

    def take(self, record: Record) -> None:
        """Add what of an entry is in the year, which it touches."""
        first, rows = _hours(record, self.year)
        is_baseline = record["run"] == BASELINE
        if record["category"] == CATEGORY:
            run = self.runs.setdefault(_run(record), {})
            _add_up(run.setdefault(BASELINE if is_baseline else OPERATED, [0, 0, 0]), rows)
            if not is_baseline:
                self._take_energy(record, first, rows)
        elif record["category"] == EMBODIED and not is_baseline:
            _add_up(self.embodied, rows)

    def _take_energy(self, record: Record, first: int, rows: list[list[int]]) -> None:
        site = self.sites.get(record["site"])
        if site is None:
            site = _Site(table=np.zeros((self.year.hours, len(COLUMNS)), np.int64))
            self.sites[record["site"]] = site
        for k, row in enumerate(rows):
            site.table[first + k] += row
        length_ms = int(record["end_utc_ms"]) - int(record["start_utc_ms"])
        site.is_hourly &= length_ms <= MS_PER_H
        site.factors.add((record["factor_id"], record["factor_sha256"], record["factor_vintage"]))
        site.bases.add(record["basis"] if record["signal"] == "average" else record["signal"])
        site.qualities.add(record["quality"])


def metered(
    records: Iterable[Record],
    years: Sequence[Year],
    *,
    superseded: frozenset[str],
    priced_elsewhere: frozenset[str],
) -> dict[int, Metered]:
    """Return what records say of each of `years`.

    `superseded` are the keys of entries and runs that later rows correct. Sites in
    `priced_elsewhere` have a grid factor of their own: only their quantities count. Raises
    DataError for marginal intensity, and for entries of other sites whose factor is not direct
    (GHG Protocol: what is upstream is scope 3).
    """
    names: dict[str, tuple[str, str]] = {}
    readings = [_Reading(year=year) for year in years]
    for record in records:
        if record.get("type") == "run":
            names[record["key"]] = (record["name"], record["baseline_id"])
        if record.get("type") == "settlement" and record["key"] not in superseded:
            for reading in readings:
                if reading.year.start_ms <= int(record["created_utc_ms"]) < reading.year.end_ms:
                    reading.settle(record)
        if record.get("type") != "entry" or {record["key"], _run(record)} & superseded:
            continue
        start, end = int(record["start_utc_ms"]), int(record["end_utc_ms"])
        for reading in readings:
            if end > reading.year.start_ms and start < reading.year.end_ms:
                reading.take(record)
    _check(readings, priced_elsewhere)
    return {
        reading.year.year: Metered(
            electricity=tuple(_electricity(n, one) for n, one in sorted(reading.sites.items())),
            embodied=_range(reading.embodied),
            avoided=Avoided(savings=tuple(_saved(reading, names))),
            notes=tuple(_notes(reading)),
        )
        for reading in readings
    }


def _run(record: Record) -> str:
    """Return the key of the run that an entry is of."""
    return str(record["key"].rpartition("/")[0])


def _range(bounds: Sequence[int]) -> Range:
    low, mid, high = bounds
    return Range(low_mg=low, mid_mg=mid, high_mg=high)


def _add_up(sums: list[int], rows: list[list[int]]) -> None:
    """Add the emissions of rows to `sums`."""
    for row in rows:
        for k, amount in enumerate(row[-3:]):
            sums[k] += amount


def _hours(record: Record, year: Year) -> tuple[int, list[list[int]]]:
    """Return the first hour of the year that an entry touches, and what of it is in each.

    Amounts go by time; each column is metered, so that the parts of an entry sum to it.
    """
    start, end = int(record["start_utc_ms"]), int(record["end_utc_ms"])
    amounts = [int(record.get(name, 0)) for name in COLUMNS]
    first, last = ((ms - year.start_ms) // MS_PER_H for ms in (start, end - 1))
    if first == last:
        return first, [amounts]
    first, last = max(0, first), min(year.hours - 1, last)
    edges = (year.start_ms + hour * MS_PER_H for hour in range(first, last + 2))
    passed = [min(max(edge, start), end) - start for edge in edges]
    readings = [[amount * ms // (end - start) for amount in amounts] for ms in passed]
    return first, [
        [b - a for a, b in zip(old, new, strict=True)] for old, new in pairwise(readings)
    ]


def _check(readings: Sequence[_Reading], priced_elsewhere: frozenset[str]) -> None:
    found = []
    for reading in readings:
        for name, site in sorted(reading.sites.items()):
            wrong = " and ".join(sorted(site.bases - {"direct"}))
            if wrong and name not in priced_elsewhere:
                what = f"its entries of {reading.year.year} have {wrong} factors, not direct ones"
                remedy = "name a direct grid_factor for it, or account with a direct series"
                found.append(Finding(where=f"site {name}", what=what, remedy=remedy))
    if found:
        raise DataError(*found)


def _electricity(site: str, one: _Site) -> Electricity:
    table = one.table if one.is_hourly else one.table.sum(axis=0, keepdims=True)
    it, load, low, mid, high = (np.ascontiguousarray(column) for column in table.T)
    ids = sorted(one.factors)
    named = ", ".join(i for i, _, _ in ids[:SHOWN])
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return Electricity(
        site=site,
        load_mwh=load,
        it_mwh=it,
        priced=Priced(
            low_mg=low,
            mid_mg=mid,
            high_mg=high,
            factor_id=f"{named}{more}",
            factor_sha256=", ".join(dict.fromkeys(sha for _, sha, _ in ids[:SHOWN])),
            factor_vintage=", ".join(dict.fromkeys(v for _, _, v in ids[:SHOWN])),
            basis="direct",
        ),
        quality=next(q for q in WORST_FIRST if q in one.qualities),
        origin="ledger",
    )


def _saved(reading: _Reading, names: Mapping[str, tuple[str, str]]) -> Iterable[Saved]:
    """Yield what settlements and each run that has a baseline avoided, by the same factors."""
    for signal, mass_mg in sorted(reading.settled.items()):
        yield Saved(
            year=reading.year.year,
            name=SETTLED,
            baseline=AT_ONCE,
            signal=signal,
            low_mg=mass_mg,
            mid_mg=mass_mg,
            high_mg=mass_mg,
            origin="settlements of the ledger",
        )
    for run, sums in sorted(reading.runs.items()):
        if BASELINE not in sums:
            continue
        name, baseline = names.get(run, (run, BASELINE))
        after = sums.get(OPERATED, [0, 0, 0])
        differences = [b - a for b, a in zip(sums[BASELINE], after, strict=True)]
        yield Saved(
            year=reading.year.year,
            name=name,
            baseline=baseline,
            signal="average",
            low_mg=min(differences),
            mid_mg=differences[1],
            high_mg=max(differences),
            origin=f"ledger {run}",
        )


def _notes(reading: _Reading) -> Iterable[str]:
    """Yield what is not known of the sites' hours."""
    hours = reading.year.hours
    for name, site in sorted(reading.sites.items()):
        empty = int((site.table[:, 1] == 0).sum())
        if not site.is_hourly:
            yield f"{name}: entries longer than an hour, so that its hours are not known"
        elif empty:
            yield f"{name}: no energy in {empty:,} of {hours:,} hours, which count nothing"
