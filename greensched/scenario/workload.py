"""`build_workload`: a scenario's traces, read once, in the time of its window."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched import registry
from greensched.errors import DataError, Finding, ScenarioError, plural, together
from greensched.model import Databases, Jobs, Services, Trace
from greensched.scenario import cut, derived
from greensched.scenario.check import built, options_of
from greensched.scenario.classify import Classified, classified
from greensched.scenario.databases import cut_databases, history_databases
from greensched.scenario.paths import BUNDLED, resolved
from greensched.scenario.quantity import DURATION, QuantityError, convert_integer
from greensched.scenario.spec import TraceSpec
from greensched.scenario.words import near
from greensched.units import MS_PER_DAY, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greensched.readers.options import ReadOptions
    from greensched.scenario.loading import Scenario
    from greensched.scenario.spec import Tide

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOISE, DATABASE_NOISE = 3, 5  # streams of the seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Demand in window time: what is scored, and what policies may have seen before.

    `checksums` are pairs (source as written, checksum). Times of the history are negative.
    """

    services: Services | None = None
    jobs: Jobs | None = None
    history_services: Services | None = None
    history_jobs: Jobs | None = None
    databases: Databases | None = None
    history_databases: Databases | None = None
    synthetic: bool = False
    checksums: tuple[tuple[str, str], ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One part of the demand: what the file says, its trace and files, its place."""

    spec: TraceSpec
    trace: Trace
    paths: list[Path]
    where: str


def build_trace(scenario: Scenario) -> Trace:
    """Return the scored part of the scenario's demand in window time; as `build_workload`."""
    made = build_workload(scenario)
    return Trace(
        services=made.services,
        jobs=made.jobs,
        databases=made.databases,
        zero_utc=scenario.spec.window.start.isoformat(),
        synthetic=made.synthetic,
        checksum="+".join(c for _, c in made.checksums),
        findings=made.findings,
    )


def build_workload(scenario: Scenario) -> Workload:
    """Return services, jobs and databases of the window and of the history before it.

    Files are imported on first use into the user's cache. Raises ScenarioError for sources that
    are not there or do not cover the window, DataError for files that cannot be trusted.
    """
    made = Workload()
    traces = scenario.spec.traces
    kinds = {"services": _services, "jobs": _jobs, "databases": _databases}
    named = [key for key in kinds if getattr(traces, key) is not None]
    for key, part in zip(named, together(partial(_part, scenario, k) for k in named), strict=True):
        spec, trace = part.spec, part.trace
        made = kinds[key](scenario, part, made)
        made = replace(
            made,
            synthetic=made.synthetic or trace.synthetic or spec.sources[0].startswith(BUNDLED),
            checksums=(*made.checksums, (" ".join(spec.sources), trace.checksum)),
            findings=tuple(dict.fromkeys((*made.findings, *trace.findings))),
        )
    return _classified(scenario, made)


def _classified(scenario: Scenario, made: Workload) -> Workload:
    """Return `made` by the scenario's rules; raises ScenarioError for a name that is taken."""
    spec = scenario.spec.classify
    if spec is None:
        return made
    taken = set() if made.services is None else set(made.services.names)
    findings = [
        Finding(
            where=scenario.source.where(("classify", "rules", i, "class")),
            what=f"there is a service '{rule.class_}' already",
            remedy="give another name",
        )
        for i, rule in enumerate(spec.rules)
        if rule.kind == "service" and rule.class_ in taken
    ]
    if findings:
        raise ScenarioError(*findings)
    given = Classified(**{f.name: getattr(made, f.name) for f in fields(Classified)})
    found = classified(given, spec, scenario.window_ms, scenario.seed)
    return replace(made, **{f.name: getattr(found, f.name) for f in fields(Classified)})


def _part(scenario: Scenario, key: str) -> _Part:
    """Return a part of the demand that the scenario names, read."""
    given = getattr(scenario.spec.traces, key)
    spec = TraceSpec(file=given) if isinstance(given, str) else given
    where = scenario.source.where(("traces", key))
    paths = [resolved(scenario, s, where) for s in spec.sources]
    trace = imported(paths, spec.reader or "canonical", _options(spec.options))
    return _Part(spec=spec, trace=trace, paths=paths, where=where)


def imported(paths: Sequence[Path], reader: str, options: ReadOptions) -> Trace:
    """Return the trace in `paths`, imported on first use into the user's cache."""
    from greensched.readers.resolve import import_cached

    return import_cached(paths, registry.load("reader", reader), options)


def options_for(scenario: Scenario, source: str) -> ReadOptions | None:
    """Return how the demand reads the file `source`, None where it does not name it."""
    traces = scenario.spec.traces
    for part in (traces.jobs, traces.services, traces.databases):
        if isinstance(part, TraceSpec) and source in part.sources:
            return _options(part.options)
    return None


def _options(given: dict[str, Any]) -> ReadOptions:
    """Return a reader's options, which were checked when the scenario was."""
    from greensched.readers.options import ReadOptions

    options, problems = built(ReadOptions, options_of(given), ())
    if problems:
        raise ScenarioError(*(Finding(where="", what=p.what, remedy=p.remedy) for p in problems))
    result: ReadOptions = options
    return result


def _services(scenario: Scenario, part: _Part, made: Workload) -> Workload:
    """Return `made` with the services of the part's trace."""
    spec, trace, where = part.spec, part.trace, part.where
    services = trace.services
    if services is None:
        raise DataError(Finding(where=where, what="the trace has no services"))
    if spec.only is not None:
        services = _kept(services, spec.only, where)
    noise = np.random.default_rng([scenario.seed, NOISE])
    if spec.population is not None and (tide := spec.population.tide) is not None:
        share, step_ms, trace = _tide(scenario, tide, where)
        services = derived.living(services, share, step_ms)
        made = replace(
            made,
            checksums=(*made.checksums, (tide.file, trace.checksum)),
            findings=(*made.findings, *trace.findings),
        )
    elif spec.population is not None:
        trace = Trace()
        use = np.array([spec.population.use])
        services = derived.living(services, use, scenario.window_ms)
    elif not trace.timeline:
        raise DataError(_no_timeline(where, "population: {tide: {file: ...}}"))
    from_ms = _from_ms(scenario, spec, trace, where)
    window, repeated = cut.cut_services(
        services, from_ms, scenario.window_ms, noise=spec.repeat_noise, rng=noise
    )
    history_ms = round(scenario.spec.history.days * MS_PER_DAY)
    findings = made.findings
    if services.start_ms > from_ms:
        late_s = (services.start_ms - from_ms) / MS_PER_S
        findings = (*findings, f"load is not known in the first {late_s:,.10g} s, taken as 0")
    if repeated:
        findings = (*findings, "load is repeated with noise: its series ends before the window")
    return replace(
        made,
        services=window,
        history_services=cut.history_services(services, from_ms, history_ms),
        synthetic=made.synthetic or repeated,
        findings=findings,
    )


def _kept(services: Services, only: tuple[str, ...], where: str) -> Services:
    """Return the services named in `only`."""
    missing = [n for n in only if n not in services.names]
    if missing:
        raise DataError(
            *(
                Finding(
                    where=f"{where}.only",
                    what=f"no service '{n}'",
                    remedy=near(n, services.names[:20]),
                )
                for n in missing
            )
        )
    rows = [i for i, n in enumerate(services.names) if n in only]
    columns = {
        f.name: getattr(services, f.name)[rows]
        for f in fields(services)
        if isinstance(getattr(services, f.name), np.ndarray)
    }
    return replace(services, names=tuple(services.names[i] for i in rows), **columns)


def _tide(scenario: Scenario, tide: Tide, where: str) -> tuple[Any, int, Trace]:
    """Return the tide [1] of each step, the step [ms] and the trace it is from."""
    path = resolved(scenario, tide.file, where)
    options = replace(_options(dict(tide.model_extra or {})), cpu_m=100_000)
    trace = imported([path], "series", options)
    if trace.services is None or len(trace.services) != 1:
        raise DataError(Finding(where=where, what=f"'{tide.file}' is not one series"))
    share = trace.services.load_cpu_m[0] / 100_000
    return share, trace.services.step_ms, trace


def _jobs(scenario: Scenario, part: _Part, made: Workload) -> Workload:
    """Return `made` with the jobs of the part's trace."""
    spec, trace, where = part.spec, part.trace, part.where
    jobs = trace.jobs
    if jobs is None:
        raise DataError(Finding(where=where, what="the trace has no jobs"))
    if spec.draw is not None:
        from greensched.readers.population import requested_cpu_m

        requested = requested_cpu_m(part.paths, _options(spec.options))
        if spec.draw.of not in requested:
            what = f"no pod of class '{spec.draw.of}'"
            raise DataError(
                Finding(where=where, what=what, remedy=f"classes: {', '.join(requested)}")
            )
        demand_cpu_m = spec.draw.share * requested[spec.draw.of]
        batch = derived.drawn(jobs, demand_cpu_m, scenario.window_ms, scenario.seed, spec.draw.of)
        text = derived.demand_text(demand_cpu_m, batch, spec.draw.of)
        return replace(made, jobs=batch, findings=(*made.findings, text), synthetic=True)
    if not trace.timeline and not trace.zero_utc:  # jobs of a snapshot have their own times
        raise DataError(_no_timeline(where, "draw: {of: BE, share: 0.5}"))
    from_ms = _from_ms(scenario, spec, trace, where)
    history_ms = round(scenario.spec.history.days * MS_PER_DAY)
    within = cut.cut_jobs(jobs, from_ms, scenario.window_ms)
    findings = made.findings
    if len(jobs) and not len(within):
        text = f"none of the trace's {plural(len(jobs), 'job')} is submitted within the window"
        findings = (*findings, f"{text}: 'from:' moves them")
    return replace(
        made,
        jobs=within,
        history_jobs=cut.history_jobs(jobs, from_ms, history_ms),
        findings=findings,
    )


def _databases(scenario: Scenario, part: _Part, made: Workload) -> Workload:
    """Return `made` with the databases of the part's trace."""
    spec, trace, where = part.spec, part.trace, part.where
    if trace.databases is None:
        raise DataError(Finding(where=where, what="the trace has no databases"))
    from_ms = _from_ms(scenario, spec, replace(trace, services=None, jobs=None), where)
    window, repeated = cut_databases(
        trace.databases,
        from_ms,
        scenario.window_ms,
        noise=spec.repeat_noise,
        rng=np.random.default_rng([scenario.seed, DATABASE_NOISE]),
    )
    history_ms = round(scenario.spec.history.days * MS_PER_DAY)
    findings = made.findings
    if repeated:
        text = "databases' load is repeated with noise: its series ends before the window"
        findings = (*findings, text)
    return replace(
        made,
        databases=window,
        history_databases=history_databases(trace.databases, from_ms, history_ms),
        synthetic=made.synthetic or repeated,
        findings=findings,
    )


def _no_timeline(where: str, remedy: str) -> Finding:
    """Return the finding for a population that is used as a record over time."""
    what = "the trace is a population to pack, not a record over time"
    return Finding(where=where, what=what, remedy=f"add '{remedy}'")


def _from_ms(scenario: Scenario, spec: TraceSpec, trace: Trace, where: str) -> int:
    """Return the time of the trace [ms] that is the window's start.

    Given: `from:`. Else the window's own start where the trace has a calendar and reaches it,
    and `cut.first_ms` where it has none.
    """
    if spec.since is None:
        first_ms = cut.first_ms(trace)
        if not trace.zero_utc:
            return first_ms
        from_ms = scenario.start_utc_ms - _utc_ms(trace.zero_utc)
        last_ms = cut.last_ms(trace)
        if not first_ms - MS_PER_DAY <= from_ms < last_ms:
            begin = (_utc(trace.zero_utc) + timedelta(milliseconds=first_ms)).isoformat()
            end = (_utc(trace.zero_utc) + timedelta(milliseconds=last_ms)).isoformat()
            what = f"the trace runs from {begin} to {end}, the window starts elsewhere"
            raise ScenarioError(Finding(where=where, what=what, remedy=f"add 'from: {begin}'"))
        return from_ms
    try:
        return convert_integer(spec.since, DURATION)
    except QuantityError:
        instant = _instant(spec.since)
    if instant is None or instant.tzinfo is None:
        what = f"'{spec.since}' is no instant of the trace"
        remedy = "write a date with its offset, or the time since the trace's zero, like '28 d'"
        raise ScenarioError(Finding(where=f"{where}.from", what=what, remedy=remedy))
    if not trace.zero_utc:
        what = "the trace has no calendar"
        remedy = "give the time since its zero, like '28 d'"
        raise ScenarioError(Finding(where=f"{where}.from", what=what, remedy=remedy))
    return (instant - _utc(trace.zero_utc)) // timedelta(milliseconds=1)


def _instant(text: str) -> datetime | None:
    """Return the instant that `text` writes, None where it is none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _utc(text: str) -> datetime:
    """Return an ISO 8601 instant."""
    return datetime.fromisoformat(text)


def _utc_ms(text: str) -> int:
    """Return an ISO 8601 instant in ms since 1970."""
    return (_utc(text) - _EPOCH) // timedelta(milliseconds=1)
