"""A measured series as the load of services: percent, cores or requests over time.

Without a time column the rows follow each other at `--step`. With one, samples may be irregular:
each holds until the next of its series, and the value of a grid step is the time-weighted mean of
what held in it. `docs/reference/traces.md` has the rules of gaps and ends exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import DataError, Finding, UsageError, plural
from greensched.model import Trace
from greensched.readers.cells import Cell
from greensched.readers.columns import drop_duplicates, fetch, out_of_order
from greensched.readers.files import checksum
from greensched.readers.grid import assumptions, check_size, default_attributes, services_of
from greensched.readers.loading import load
from greensched.readers.source import blank_rows, connect, literal, opened
from greensched.readers.timing import iso_utc, stated_zero_utc, time_cell
from greensched.units import CPU_M_PER_CORE, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import FloatArray, IntArray
    from greensched.readers.options import ReadOptions
    from greensched.readers.source import Source

EMPTY = "(empty)"  # the service of rows whose group has no name
PERCENT_MAX = 100.0
GAP = 1.5  # sampling intervals: a longer distance between samples is a gap


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """All samples, by series and time; `first` has where each series begins, and the end."""

    group_of: IntArray  # [series] row of `groups`
    groups: tuple[str, ...]
    first: IntArray  # [series + 1]
    time_ms: IntArray
    value: FloatArray


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return the services of the one file.

    Raises UsageError where an option that the unit needs is missing, DataError for the file.
    """
    _check_options(options)
    options.check_map((), "series")
    if len(files) != 1:
        raise DataError(Finding(where="", what=f"one file is needed, {len(files)} were given"))
    path = Path(files[0])
    findings: list[str] = []
    with connect() as con, opened(con, path, member=options.member) as source:
        of_utc = _load(source, options, findings)
        samples = _samples(source)
        label = source.label
    _plausible(samples, label, options)
    start_ms = int(samples.time_ms.min())
    load_cpu_m, step_ms = _resampled(samples, label, options, findings)
    known = replace(options, service_time_ms=_service_time_ms(options))
    services = services_of(default_attributes(samples.groups, known), 0, step_ms, load_cpu_m)
    findings += assumptions(services, label) + _meaning(label, options)
    zero_utc = stated_zero_utc(options)
    if of_utc:
        zero_utc = iso_utc(start_ms)
    elif start_ms:
        findings.append(f"{label}: trace zero is its time {start_ms / MS_PER_S:,.15g} s")
    return Trace(
        services=services,
        zero_utc=zero_utc,
        checksum=checksum([path]),
        findings=tuple(findings),
        synthetic=options.synthetic,
    )


def _check_options(options: ReadOptions) -> None:
    needs = [
        (not options.column, "--column", "which column holds the load is not said"),
        (not options.unit, "--unit", "say percent, cores or requests; it is never guessed"),
        (
            options.unit == "percent" and not options.cpu_m,
            "--cores",
            "percent of how many cores must be given",
        ),
        (
            options.unit == "requests"
            and not options.cpu_s_per_request
            and not options.gpu_s_per_request,
            "--cpu-s-per-request",
            "CPU (or GPU) seconds per request must be given",
        ),
        (
            not options.time_column and not options.step_ms,
            "--step",
            "give the time between rows, or the time with --time-column",
        ),
        (
            bool(options.group_by or options.sum_over) and not options.time_column,
            "--time-column",
            "series in long form need their time",
        ),
        (options.per_ms <= 0, "--per", "requests are counted in a time above 0"),
        (options.replica_cpu_m <= 0, "--replica-cores", "a replica has more than no CPU"),
    ]
    missing = [Finding(where=flag, what=what) for wrong, flag, what in needs if wrong]
    if "percent" in options.column.lower() and options.unit == "cores":
        what = f"column {options.column!r} says percent"
        missing.append(Finding(where="--unit", what=what, remedy="use --unit percent"))
    if missing:
        raise UsageError(*missing)


def _require_columns(source: Source, options: ReadOptions) -> None:
    """Raise DataError naming every column that was asked for and is not there, with its option."""
    asked = {
        "--column": options.column,
        "--time-column": options.time_column,
        "--group-by": options.group_by,
        "--sum-over": options.sum_over,
    }
    missing = [
        Finding(
            where=source.label,
            what=f"no column '{column}'",
            remedy=f"columns there: {source.there}; name another with {flag}",
        )
        for flag, column in asked.items()
        if column and column not in source.columns
    ]
    if missing:
        raise DataError(*missing)


def _load(source: Source, options: ReadOptions, findings: list[str]) -> bool:
    """Fill the table `samples` with grp, member, time_ms, value; return whether in UTC."""
    con = source.con
    _require_columns(source, options)
    high = PERCENT_MAX if options.unit == "percent" else 1e12
    cells = [
        Cell(name="value", column=options.column, is_integer=False, high=high, empty=None),
        Cell(
            name="grp",
            column=options.group_by or None,
            kind="text",
            empty=literal(EMPTY if options.group_by else options.name or options.column),
        ),
        Cell(name="member", column=options.sum_over or None, kind="text", empty=literal(EMPTY)),
    ]
    of_utc, derived = False, dict[str, str]()
    if options.time_column:
        time = time_cell(source, options.time_column, options)
        of_utc = time.of_utc
        cells.append(replace(time, name="time_ms"))
    else:
        _no_blank_rows(source)
        derived = {"time_ms": f"(_row - 1) * {options.step_ms}"}
    bad = load(source, "samples", cells, options, derived=derived)
    if not options.time_column and bad.malformed:
        raise DataError(*bad.findings())  # without their rows the times of all later are unknown
    findings += drop_duplicates(con, "samples", "grp, member, time_ms", bad, "a series and time")
    findings += bad.settle(options)
    findings += out_of_order(con, "samples", "time_ms", bad)
    for column, name in (("grp", options.group_by), ("member", options.sum_over)):
        row = con.execute(f"SELECT count(*) FROM samples WHERE {column} = {literal(EMPTY)}")
        (count,) = row.fetchone() or (0,)
        if name and count:
            rows = plural(count, "row")
            findings.append(f"{source.label}: {rows} with no {name}, kept as {EMPTY}")
    return of_utc


def _no_blank_rows(source: Source) -> None:
    """Raise DataError for blank lines where the number of a row is its time."""
    if blank := blank_rows(source):
        what = f"a blank line ({len(blank):,} in all): it would move the rows after it in time"
        remedy = "remove it, or write the missing value and its commas"
        where = f"{source.label} row {blank[0]:,}"
        raise DataError(Finding(where=where, what=what, remedy=remedy))


def _samples(source: Source) -> _Samples:
    con = source.con
    con.execute(
        "CREATE OR REPLACE TABLE ordered AS SELECT * FROM samples ORDER BY grp, member, time_ms"
    )
    con.execute("DROP TABLE samples")
    series = con.execute(
        "SELECT grp, member, count(*) FROM ordered GROUP BY grp, member ORDER BY grp, member"
    ).fetchall()
    groups = tuple(sorted({str(r[0]) for r in series}, key=lambda g: g.encode()))
    row = {g: i for i, g in enumerate(groups)}
    return _Samples(
        groups=groups,
        group_of=np.array([row[str(r[0])] for r in series], np.int64),
        first=np.concatenate([np.zeros(1, np.int64), np.cumsum([int(r[2]) for r in series])]),
        time_ms=fetch(con, "ordered", "time_ms", "int64"),
        value=fetch(con, "ordered", '"value"', "float64"),
    )


def _plausible(samples: _Samples, label: str, options: ReadOptions) -> None:
    largest = float(samples.value.max())
    if options.unit == "percent" and 0.0 < largest <= 1.0:
        what = f"the largest of all values is {largest:g}: a share of 1, not percent?"
        remedy = "multiply by 100, or by the cores and use --unit cores"
        raise DataError(Finding(where=label, what=what, remedy=remedy))


def _resampled(
    samples: _Samples, label: str, options: ReadOptions, findings: list[str]
) -> tuple[IntArray, int]:
    """Return load [groups, steps] in millicores on the grid from the earliest sample, and step."""
    interval_ms = _interval_ms(samples, options, label)
    step_ms = options.step_ms or interval_ms
    fill = options.fill or ("zero" if options.unit == "requests" else "fail")
    until_ms = _until_ms(samples, interval_ms, fill, label, findings)
    start_ms = int(samples.time_ms.min())
    span_ms = int(until_ms.max()) - start_ms
    steps = span_ms // step_ms
    if not steps:
        what = f"the samples span {span_ms:,} ms, less than one step of {step_ms:,} ms"
        raise DataError(Finding(where=label, what=what, remedy="give a smaller --step"))
    if span_ms % step_ms:
        findings.append(
            f"{label}: the last {span_ms % step_ms / MS_PER_S:g} s fill no whole "
            "step and are left out"
        )
    check_size(len(samples.groups), steps, label)
    edges = start_ms + step_ms * np.arange(steps + 1, dtype=np.int64)
    total = np.zeros((len(samples.groups), steps))
    for series, group in enumerate(samples.group_of):
        part = slice(int(samples.first[series]), int(samples.first[series + 1]))
        total[group] += _means(samples.time_ms[part], until_ms[part], samples.value[part], edges)
    return np.rint(total * _cpu_m_per_unit(options)).astype(np.int64), step_ms


def _interval_ms(samples: _Samples, options: ReadOptions, label: str) -> int:
    """Return the most frequent distance of neighbouring samples of a series; of ties the least."""
    distance = np.diff(samples.time_ms)
    inside = np.ones(len(distance), bool)
    inside[samples.first[1:-1] - 1] = False
    values, counts = np.unique(distance[inside], return_counts=True)
    if len(values):
        return int(values[np.argmax(counts)])
    if options.step_ms:
        return options.step_ms
    what = "no series has two samples: the interval cannot be known"
    raise DataError(Finding(where=label, what=what, remedy="give it with --step"))


def _until_ms(
    samples: _Samples, interval_ms: int, fill: str, label: str, findings: list[str]
) -> IntArray:
    """Return until when each sample holds [ms]; raise DataError for gaps where fill is fail."""
    until_ms = samples.time_ms + interval_ms
    following = np.append(samples.time_ms[1:], 0)
    last = np.zeros(len(following), bool)
    last[samples.first[1:] - 1] = True
    gap = ~last & (following - samples.time_ms > GAP * interval_ms)
    held = ~last & ~gap if fill == "zero" else ~last
    until_ms[held] = following[held]
    count = int(gap.sum())
    if not count:
        return until_ms
    longest_s = float((following - samples.time_ms)[gap].max()) / MS_PER_S
    what = (
        f"{plural(count, 'gap')} (samples more than {GAP:g} x {interval_ms / MS_PER_S:g} s "
        f"apart), the longest {longest_s:,.10g} s"
    )
    if fill == "fail":
        remedy = "fill them with --fill hold (the last value) or --fill zero"
        raise DataError(Finding(where=label, what=what, remedy=remedy))
    findings.append(f"{label}: {what}; filled: {fill}")
    return until_ms


def _means(
    time_ms: IntArray, until_ms: IntArray, value: FloatArray, edges: IntArray
) -> FloatArray:
    """Return the time-weighted mean on each grid step of one series; 0 where nothing holds."""
    points = np.column_stack([time_ms, until_ms]).ravel()
    area = np.column_stack([np.zeros(len(value)), value * (until_ms - time_ms)]).ravel()
    upto = np.interp(edges, points, np.cumsum(area))
    means: FloatArray = np.diff(upto) / np.diff(edges)
    return means


def _cpu_m_per_unit(options: ReadOptions) -> float:
    """Return the millicores of work that one unit of the column stands for.

    One GPU kept busy stands for one whole replica, so that load / replica counts GPUs.
    """
    if options.unit == "percent":
        return options.cpu_m / PERCENT_MAX
    if options.unit == "cores":
        return float(CPU_M_PER_CORE)
    each_cpu_m_s = max(
        options.cpu_s_per_request * CPU_M_PER_CORE,
        options.gpu_s_per_request * options.replica_cpu_m,
    )
    return each_cpu_m_s * MS_PER_S / options.per_ms


def _service_time_ms(options: ReadOptions) -> float:
    """Return the mean service time: as given, else what a request is said to take; 0: unknown."""
    if options.service_time_ms or options.unit != "requests":
        return options.service_time_ms
    return max(options.cpu_s_per_request, options.gpu_s_per_request) * MS_PER_S


def _meaning(label: str, options: ReadOptions) -> list[str]:
    found = [
        (
            f"{label}: replicas of {options.replica_cpu_m:,} millicores and "
            f"{options.replica_memory_mib:,} MiB, as given or assumed; none is recorded"
        )
    ]
    if options.unit == "requests":
        found.append(
            f"{label}: values taken as requests in {options.per_ms / MS_PER_S:g} s, each "
            f"{options.cpu_s_per_request:g} CPU s and {options.gpu_s_per_request:g} GPU s"
        )
        if not options.service_time_ms:
            time_ms = _service_time_ms(options)
            found.append(f"{label}: mean service time taken as these: {time_ms:g} ms")
    return found
