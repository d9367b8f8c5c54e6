"""`init`: a scenario that runs as it is, with every assumption it had to make as a comment."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import DataError, Finding, escape_control
from greensched.model import NONE
from greensched.scenario.cut import first_ms
from greensched.scenario.sizing import CORES, MEMORY_GIB, Assumed, assumed
from greensched.scenario.sizing_data import data_fleet
from greensched.scenario.source import read_scalar
from greensched.units import CPU_M_PER_CORE, MS_PER_DAY, MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.model import Jobs, Machines, Services, Trace

MACHINES = 400  # of the bundled week
SMALL_CORES = 16  # what is smaller is a part of a server
WATTS_IDLE, WATTS_PEAK = 110, 320  # of a server of 64 cores
WATTS_PER_CORE, IDLE_SHARE = 5.0, 0.27  # of machines that a trace lists
HEADROOM = 0.3  # of replicas above the peak, as scenarios have it
DAYS_MAX = 7
RULES = 3  # shown of those that could be

_BUNDLED = """\
  services: bundled:online-week
  jobs: bundled:batch-week
"""

_WEEK = {
    "start": "2023-03-06T00:00+08:00",
    "start_says": "Monday of the bundled week.",
    "length": "days: 7",
}

_ELASTIC = "\n  - {kind: elastic}  # ASSUMED: the switch to try, replicas by forecast"
_POLICIES = f"""{_ELASTIC}
  - {{kind: tidal, start: 01:00, end: 08:00}}  # ASSUMED: quiet hours, where there is no forecast
  - {{kind: colocation}}  # ASSUMED: the switch to try, batch beside services"""
_NO_JOBS = f"  # no jobs in the trace: nothing to lend machines to{_ELASTIC}"
_NO_SERVICES = f"  # no services in the trace: what can be saved is idle machines{_ELASTIC}"

_PACKS = "\n  - {kind: consolidation}  # ASSUMED: the switch to try, databases on fewer machines"

_TEXT = """\
# A scenario of greensched. It runs as it is; every line marked ASSUMED is a guess to replace.
#   greensched validate {place}
#   greensched run {place}
{notes}apiVersion: greensched/v1
kind: Scenario
name: {name}
# {start_says}
window: {{start: {start}, {length}}}
seed: 1  # ASSUMED: of all that is drawn

sites:
  - name: here
    zone: CN-EAST                     # ASSUMED: a name for your grid zone
    pue: 1.3                          # ASSUMED: facility energy / IT energy
    # ASSUMED: one value all year, so that nothing is saved by moving work in time. Replace it by
    # an hourly file: {{source: intensity.csv, zone: CN-EAST, time_zone: UTC}}
    intensity: 550 g/kWh

fleet:
{fleet}
traces:
{traces}{rules}
slo: {{{slo}}}  # ASSUMED
{baseline}
policies:{policies}
"""


def init_text(
    source: Trace | None = None,
    *,
    files: Sequence[str] = (),
    reader: str = "canonical",
    options: Mapping[str, str] | None = None,
    name: str = "my-cluster",
    place: str = "",
    fleet: str = "",
    baseline: str = "",
) -> str:
    """Return a scenario for the trace `source`, or for the bundled week where there is none.

    Of a longer trace the last week is the window, so that what is before it is history; of jobs
    alone the first. `files` are the trace's files as the scenario should name them, `options` what
    `reader` was told (`{"time_unit": "h"}`, written as given), `place` how commands name the
    scenario, flags included (`name.yaml` by default); `fleet` and `baseline` are these parts as
    text, where more is known of them than the trace tells. Raises DataError for a trace that asks
    nothing.
    """
    services = source.services if source else None
    databases = source.databases if source else None
    jobs = source.jobs if source and source.jobs is not None and len(source.jobs) else None
    if source is not None and (services, jobs, databases) == (None, None, None):
        what = "the trace has no services, jobs and databases: nothing to run"
        remedy = "name the files of the demand too; machines alone make no scenario"
        raise DataError(Finding(where=", ".join(files), what=what, remedy=remedy))
    notes = "".join(f"# - {escape_control(f)}\n" for f in source.findings) if source else ""
    online, batch = source is None or services is not None, source is None or jobs is not None
    policies = (_POLICIES if batch else _NO_JOBS) if online else _NO_SERVICES
    return _TEXT.format(
        name=name if read_scalar(name) == name else _quoted(name),
        place=escape_control(place or f"{name}.yaml"),
        notes=f"# What the reader says of the trace:\n{notes}" if notes else "",
        **_WEEK if source is None else _window(source),
        fleet=(fleet or _fleet(source, files, reader)) + data_fleet(databases),
        traces=_BUNDLED if source is None else _traces(source, files, reader, options or {}),
        rules=_rules(jobs),
        slo=_slo(jobs, online=online, batch=batch, data=bool(databases)),
        baseline=baseline or _baseline(services),
        policies=(policies if online or batch else "") + (_PACKS if databases else ""),
    )


def _baseline(services: Services | None) -> str:
    """Return the baseline, with the room above the peak where replicas are not recorded."""
    if services is None or (services.replicas != NONE).all():
        return "baseline: {kind: autoscaled}  # ASSUMED; static-peak is shown too"
    return (
        f"# ASSUMED: no replicas are recorded, so static-peak has them for peak load x "
        f"{1 + HEADROOM:g}\n"
        f"baseline: {{kind: autoscaled, headroom: {HEADROOM:g}}}  # ASSUMED; static-peak is "
        "shown too"
    )


def _rules(jobs: Jobs | None) -> str:
    """Return, as a comment, rules for the classes with most work: nothing waits until one says."""
    if jobs is None or not any(one.attributes for one in jobs.classes):
        return ""
    core_ms = jobs.cpu_m.astype(float) * jobs.tasks * jobs.duration_ms
    work = np.bincount(jobs.job_class, core_ms, len(jobs.classes))
    most = [jobs.classes[i].attributes[:2] for i in np.argsort(-work, kind="stable")]
    given = [
        ", ".join(f"{k}: {_quoted(escape_control(v))}" for k, v in pairs)
        for pairs in list(dict.fromkeys(most))[:RULES]
    ]
    lines = "".join(
        f"#     - {{{one}, deferrable: true, max_delay: 8 h, assumed: true}}\n" for one in given
    )
    return (
        "# ASSUMED: no job may wait. Say which may, and add {kind: shifting} to the policies:\n"
        f"# classify:\n#   rules:\n{lines}"
    )


def _slo(jobs: Jobs | None, *, online: bool, batch: bool, data: bool) -> str:
    """Return the objectives: without a limit on waiting, one machine would do for any batch."""
    parts = ["latency_factor_p99: 1.10"] if online else []
    parts += ["shortage_share: 0.001"] if online or data else []
    if batch and (jobs is None or (jobs.deadline_ms != NONE).any()):
        parts.append("deadline_miss: 0.01")
    parts += ["batch_wait_p95: 1 h"] if batch else []
    return ", ".join(parts)


def _fleet(source: Trace | None, files: Sequence[str], reader: str) -> str:
    """Return the fleet: the trace's machines where it lists them, else assumed ones."""
    if source is not None and source.machines is not None and len(source.machines):
        return _listed(source.machines, files, reader)
    if source is not None and source.services is None and source.jobs is None:
        return ""  # databases alone, on machines of their own
    if source is None:
        fleet = Assumed(count=MACHINES, cores=CORES, memory_gib=MEMORY_GIB, gpus=0)
    else:
        fleet = assumed(source)
    idle_w, peak_w = WATTS_IDLE * fleet.cores // CORES, WATTS_PEAK * fleet.cores // CORES
    gpus = ""
    if fleet.gpus:
        gpus = f"    gpus: {fleet.gpus}                           # ASSUMED, as are their watts\n"
        gpus += "    gpu_power: {idle: 30 W, peak: 250 W}\n"
    large = "                         # ASSUMED: what the largest job or replica asks for"
    return f"""\
  - name: server                      # ASSUMED: the trace lists no machines
    site: here
    count: {fleet.count}
    cores: {fleet.cores}{large if fleet.cores > CORES else ""}
    memory: {fleet.memory_gib} GiB
    power: {{idle: {idle_w} W, peak: {peak_w} W}}  # ASSUMED: linear in between
{gpus}{_common(fleet.cores / CORES)}"""


def _listed(machines: Machines, files: Sequence[str], reader: str) -> str:
    """Return the fleet of the machines that the trace lists."""
    models = sorted({m for m, g in zip(machines.gpu_models, machines.gpus, strict=True) if g})
    gpus = "    gpu_power:\n" if models else ""
    for model in models:
        gpus += f"      {_quoted(model)}: {{idle: 30 W, peak: 250 W}}  # ASSUMED\n"
    return f"""\
  - from: {_quoted(_machine_file(files))}
    reader: {reader}
    site: here
    # ASSUMED: idle over peak is the median of SPECpower_ssj2008
    power: {{per_core: {WATTS_PER_CORE:g} W, idle_share: {IDLE_SHARE:g}}}
{gpus}{_common(*_part(machines))}"""


def _part(machines: Machines) -> tuple[float, float]:
    """Return which part of a server the machines are, and the most that one may draw asleep [W].

    A log that lists single processors as machines gets a server's values by the core; and no
    machine draws more asleep than idle.
    """
    cores = machines.cpu_m / CPU_M_PER_CORE
    mean = float((cores * machines.count).sum() / max(1, int(machines.count.sum())))
    idle_w = float(cores.min()) * WATTS_PER_CORE * IDLE_SHARE
    return (1.0 if mean >= SMALL_CORES else mean / CORES), idle_w


def _common(part: float, most_w: float = math.inf) -> str:
    """Return what is assumed of a machine that is so many servers of 64 cores, or a part of one.

    `most_w` is the most that it may draw asleep or off [W].
    """
    sleep_w, off_w = (min(watts * part, most_w) for watts in (12.0, 5.0))
    mid, low, high = (max(1, round(kg * part)) for kg in (1300, 900, 2100))
    says = "ASSUMED" if part == 1.0 else f"ASSUMED: {part:.2g} x a server's"
    return f"""\
    boot: {{time: 180 s}}               # ASSUMED; it draws peak power while booting
    sleep: {{power: {sleep_w:.3g} W, wake: 30 s}}  # {says}
    off: {{power: {off_w:.3g} W}}               # {says}
    embodied: {{kgco2e: {mid}, range: [{low}, {high}], lifetime: 5 y}}  # {says}
"""


def _machine_file(files: Sequence[str]) -> str:
    """Return the file that lists machines: the one whose name says so, else the last."""
    named = [f for f in files if "node" in f.lower() or "machine" in f.lower()]
    return (named or list(files) or ["machines.csv"])[-1]


def _quoted(text: str) -> str:
    """Return a file's name as YAML text."""
    return "'" + text.replace("'", "''") + "'"


def _window(source: Trace) -> dict[str, str]:
    """Return the window's parts: its start, what is to be said of it, its length."""
    start, says = _start(source)
    return {"start": start, "start_says": says + _cut_says(source), "length": _length(source)}


def _start(source: Trace) -> tuple[str, str]:
    """Return the window's start and a sentence on it."""
    if not source.zero_utc:
        says = "ASSUMED: the trace has no calendar; the time it counts from is here."
        if past_ms := _past_ms(source):
            day = past_ms // MS_PER_DAY + 1
            return (
                "2023-01-02T00:00Z",
                f"ASSUMED: the trace has no calendar; its day {day} is here.",
            )
        if first_ms(source):
            says = "ASSUMED: the trace has no calendar; its first instant is here."
        return "2023-01-02T00:00Z", says
    past_ms = _past_ms(source)
    begin_ms = first_ms(source) + past_ms
    instant = datetime.fromisoformat(source.zero_utc) + timedelta(milliseconds=begin_ms)
    timespec = "milliseconds" if instant.microsecond else "seconds"
    says = (
        f"Day {past_ms // MS_PER_DAY + 1} of the trace."
        if past_ms
        else "The trace's first instant."
    )
    return instant.isoformat(timespec=timespec), says


def _past_ms(source: Trace) -> int:
    """Return how long after the trace's first instant [ms] the window begins, in whole days.

    Its last week, where something is forecast and at least two days are left to do so from.
    """
    if source.services is None and source.databases is None:
        return 0
    days = _span_ms(source, first_ms(source)) // MS_PER_DAY
    return (days - DAYS_MAX) * MS_PER_DAY if source.timeline and days >= DAYS_MAX + 2 else 0


def _length(source: Trace) -> str:
    """Return the window's length: the span of load, or of arrivals, at most a week."""
    span_ms = _span_ms(source, first_ms(source))
    if not source.timeline or not 0 < span_ms < DAYS_MAX * MS_PER_DAY:
        return f"days: {DAYS_MAX}"
    return f"hours: {max(MS_PER_H, span_ms) / MS_PER_H:.10g}"


def _cut_says(source: Trace) -> str:
    """Return a comment on what of a trace longer than a week is left out; empty for others."""
    begin_ms, past_ms = first_ms(source), _past_ms(source)
    days = _span_ms(source, begin_ms) / MS_PER_DAY
    if not source.timeline or days <= DAYS_MAX:
        return ""
    jobs, from_ms = source.jobs, begin_ms + past_ms
    kept = ""
    if jobs is not None:
        inside = (jobs.submit_ms >= from_ms) & (jobs.submit_ms < from_ms + DAYS_MAX * MS_PER_DAY)
        kept = f", {inside.sum():,} of {len(jobs):,} jobs"
    if past_ms:
        taken = f"{DAYS_MAX} of its {days:,.1f} days{kept}; those before it are history"
    else:
        taken = f"the first {DAYS_MAX} of its {days:,.1f} days{kept}"
    return f"\n# ASSUMED: {taken}; more with a longer window."


def _span_ms(source: Trace, begin_ms: int) -> int:
    """Return how long load is known or jobs arrive [ms]; of one lone arrival how long it runs."""
    services, jobs, databases = source.services, source.jobs, source.databases
    if services is not None and services.load_cpu_m.shape[1] > 1:
        return int(services.start_ms + services.step_ms * services.load_cpu_m.shape[1]) - begin_ms
    if databases is not None and (jobs is None or not len(jobs)):
        return int(databases.start_ms + databases.step_ms * databases.cpu_m.shape[1]) - begin_ms
    if jobs is None or not len(jobs):
        return 0
    span_ms = int(jobs.submit_ms[-1]) - begin_ms + 1
    if span_ms < MS_PER_H:
        span_ms = int((jobs.submit_ms + jobs.duration_ms).max()) - begin_ms
    return -(-span_ms // MS_PER_MIN) * MS_PER_MIN


def _traces(source: Trace, files: Sequence[str], reader: str, options: Mapping[str, str]) -> str:
    """Return the traces' part."""
    listed = ", ".join(_quoted(f) for f in files)
    told = "".join(f", {k}: {v}" for k, v in options.items())
    base = f"files: [{listed}], reader: {reader}{told}"
    if (past_ms := _past_ms(source)) and not source.zero_utc:
        begin_ms = first_ms(source) + past_ms
        whole = begin_ms % MS_PER_DAY == 0
        unit, of = ("d", MS_PER_DAY) if whole else ("s", MS_PER_S)
        base += f", from: {begin_ms / of:.10g} {unit}"
    lines = ""
    if source.services is not None:
        extra = ""
        if not source.timeline:
            lines += (
                "  # ASSUMED: all pods live through the window and use 40 % of their request.\n"
                "  # Replace it by what they use: 'reader: prometheus', or by a tide of your own\n"
            )
            extra = ", population: {use: 0.4}"
        lines += f"  services: {{{base}{extra}}}\n"
    if source.jobs is not None and len(source.jobs):
        extra = ""
        if not source.timeline and not source.zero_utc:
            lines += "  # ASSUMED: a population has no arrivals; batch is drawn from it\n"
            extra = ", draw: {of: BE, share: 0.5}"
        lines += f"  jobs: {{{base}{extra}}}\n"
    return lines if source.databases is None else f"{lines}  databases: {{{base}}}\n"
