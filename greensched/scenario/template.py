"""`init`: a scenario that runs as it is, with every assumption it had to make as a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.errors import escape_control
from greensched.units import CPU_M_PER_CORE, GPU_M_PER_GPU, MIB_PER_GIB, MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.model import Jobs, Services, Trace

CORES, MEMORY_GIB = 64, 256
WATTS_IDLE, WATTS_PEAK = 110, 320
FLEET_FILL = 0.65  # of the assumed machines' cores at the busiest known moment

_BUNDLED = """\
  services: bundled:online-week
  jobs: bundled:batch-week
"""


_POLICIES = """
  - {kind: elastic}
  - {kind: tidal, start: 01:00, end: 08:00}  # ASSUMED: your quiet hours, local time
  - {kind: colocation}"""
_NO_POLICIES = " []  # no services in the trace: nothing to scale, lend or share"

_TEXT = """\
# A scenario of greensched. It runs as it is; every line marked ASSUMED is a guess to replace.
#   greensched validate {name}.yaml
#   greensched run {name}.yaml
{notes}apiVersion: greensched/v1
kind: Scenario
name: {name}
# {start_says}
window: {{start: {start}, days: {days}}}
seed: 1

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
{traces}
slo: {{latency_factor_p99: 1.10, deadline_miss: 0.01}}  # ASSUMED
baseline: {{kind: {baseline}}}
policies:{policies}
"""


def init_text(
    source: Trace | None = None,
    *,
    files: Sequence[str] = (),
    reader: str = "canonical",
    options: Mapping[str, str] | None = None,
    name: str = "my-cluster",
) -> str:
    """Return a scenario for the trace `source`, or for the bundled week where there is none.

    `files` are the trace's files as the scenario should name them, `options` what `reader` was
    told (`{"time_unit": "h"}`, written as given).
    """
    services = source.services if source else None
    jobs = source.jobs if source else None
    if source is None:
        start, start_says = "2023-03-06T00:00+08:00", "Monday of the bundled week."
        days, machines, traces = 7.0, 400, _BUNDLED
    else:
        start, start_says = _start(source)
        days = _days(services, jobs)
        machines = _machines(services, jobs, timeline=source.timeline)
        traces = _traces(source, files, reader, options or {})
    notes = "".join(f"# - {escape_control(f)}\n" for f in source.findings) if source else ""
    online = services is not None or source is None
    return _TEXT.format(
        name=name,
        notes=f"# What the reader says of the trace:\n{notes}" if notes else "",
        start=start,
        start_says=start_says,
        days=f"{days:g}",
        fleet=_fleet(source, files, reader, machines),
        traces=traces,
        baseline="autoscaled" if online else "static-peak",
        policies=_POLICIES if online else _NO_POLICIES,
    )


def _fleet(source: Trace | None, files: Sequence[str], reader: str, machines: int) -> str:
    """Return the fleet: the trace's machines where it lists them, else assumed ones."""
    common = """\
    boot: {time: 180 s}               # ASSUMED; it draws peak power while booting
    sleep: {power: 12 W, wake: 30 s}  # ASSUMED
    embodied: {kgco2e: 1300, range: [900, 2100], lifetime: 5 y}  # ASSUMED"""
    if source is not None and source.machines is not None and len(source.machines):
        models = sorted(
            {m for m, g in zip(source.machines.gpu_models, source.machines.gpus, strict=True) if g}
        )
        gpus = ""
        if models:
            rows = "".join(
                f"      '{m}': {{idle: 30 W, peak: 250 W}}  # ASSUMED\n" for m in models
            )
            gpus = f"    gpu_power:\n{rows}"
        return f"""\
  - from: {_quoted(_machine_file(files))}
    reader: {reader}
    site: here
    power: {{per_core: 5 W, idle_share: 0.27}}  # ASSUMED: idle / peak, median of SPECpower_ssj2008
{gpus}{common}
"""
    cores, memory_gib, devices = _largest(source)
    idle_w, peak_w = WATTS_IDLE * cores // CORES, WATTS_PEAK * cores // CORES
    return f"""\
  - name: server                      # ASSUMED: the trace lists no machines
    site: here
    count: {machines}
    cores: {cores}
    memory: {memory_gib} GiB
    power: {{idle: {idle_w} W, peak: {peak_w} W}}  # ASSUMED: linear in between
{_gpu_lines(devices)}{common}
"""


def _gpu_lines(gpus: int) -> str:
    """Return the lines of an assumed machine's GPUs."""
    if not gpus:
        return ""
    return f"""\
    gpus: {gpus}                           # ASSUMED, as are their watts
    gpu_power: {{idle: 30 W, peak: 250 W}}
"""


def _largest(source: Trace | None) -> tuple[int, int, int]:
    """Return cores, GiB and GPUs of an assumed machine: the default, or what the demand needs."""
    cores, memory_gib, gpus = CORES, MEMORY_GIB, 0
    services = source.services if source else None
    jobs = source.jobs if source else None
    if services is not None and len(services):
        cores = max(cores, -(-int(services.replica_cpu_m.max()) // CPU_M_PER_CORE))
        memory_gib = max(memory_gib, -(-int(services.replica_memory_mib.max()) // MIB_PER_GIB))
        gpus = max(gpus, -(-int(services.replica_gpu_m.max()) // GPU_M_PER_GPU))
    if jobs is not None and len(jobs):
        cores = max(cores, -(-int(jobs.cpu_m.max()) // CPU_M_PER_CORE))
        memory_gib = max(memory_gib, -(-int(jobs.memory_mib.max()) // MIB_PER_GIB))
        gpus = max(gpus, -(-int(jobs.gpu_m.max()) // GPU_M_PER_GPU))
    return cores, memory_gib, gpus


def _machine_file(files: Sequence[str]) -> str:
    """Return the file that lists machines: the one whose name says so, else the last."""
    named = [f for f in files if "node" in f.lower() or "machine" in f.lower()]
    return (named or list(files) or ["machines.csv"])[-1]


def _quoted(text: str) -> str:
    """Return a file's name as YAML text."""
    return "'" + text.replace("'", "''") + "'"


def _start(source: Trace) -> tuple[str, str]:
    """Return the window's start and a sentence on it."""
    if source.zero_utc:
        first = 0
        if source.services is not None:
            first = source.services.start_ms
        elif source.jobs is not None and len(source.jobs):
            first = int(source.jobs.submit_ms[0])
        from datetime import datetime, timedelta

        instant = datetime.fromisoformat(source.zero_utc) + timedelta(milliseconds=first)
        return instant.isoformat(timespec="seconds"), "The trace's first instant."
    return "2023-01-02T00:00Z", "ASSUMED: the trace has no calendar; its first instant is here."


def _days(services: Services | None, jobs: Jobs | None) -> float:
    """Return the window's length [d]: the span of load or of arrivals, at most a week."""
    span_ms = 0
    if services is not None and services.load_cpu_m.shape[1] > 1:
        span_ms = services.step_ms * services.load_cpu_m.shape[1]
    elif jobs is not None and len(jobs):
        span_ms = int(jobs.submit_ms[-1] - jobs.submit_ms[0])
    whole = max(MS_PER_H, min(span_ms or 7 * MS_PER_DAY, 7 * MS_PER_DAY))
    return round(whole / MS_PER_DAY, 6)


def _machines(services: Services | None, jobs: Jobs | None, *, timeline: bool) -> int:
    """Return a number of assumed machines that holds the busiest moment with room to spare."""
    import numpy as np

    cores = 0.0
    if services is not None:
        reserved = int(services.load_cpu_m.sum(axis=0).max()) / CPU_M_PER_CORE
        cores += reserved / 0.6
    if jobs is not None and len(jobs) and timeline:
        size = jobs.cpu_m.astype(np.int64) * jobs.tasks
        times = np.concatenate([jobs.submit_ms, jobs.submit_ms + jobs.duration_ms])
        change = np.concatenate([size, -size])
        order = np.lexsort((change, times))
        cores += int(np.cumsum(change[order]).max()) / CPU_M_PER_CORE
    return max(3, int(np.ceil(cores / CORES / FLEET_FILL)))


def _traces(source: Trace, files: Sequence[str], reader: str, options: Mapping[str, str]) -> str:
    """Return the traces' part."""
    listed = ", ".join(_quoted(f) for f in files)
    told = "".join(f", {k}: {v}" for k, v in options.items())
    base = f"files: [{listed}], reader: {reader}{told}"
    lines = ""
    if source.services is not None:
        extra = ""
        if not source.timeline:
            lines += (
                "  # ASSUMED: all pods live through the window and use 40 % of their request\n"
            )
            extra = ", population: {use: 0.4}"
        lines += f"  services: {{{base}{extra}}}\n"
    if source.jobs is not None:
        extra = ""
        if not source.timeline:
            lines += "  # ASSUMED: a population has no arrivals; batch is drawn from it\n"
            extra = ", draw: {of: BE, share: 0.5}"
        lines += f"  jobs: {{{base}{extra}}}\n"
    return lines
