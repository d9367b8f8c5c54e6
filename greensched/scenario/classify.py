"""Jobs by the rules of a scenario: their class, whether they may wait, or that they are a service.

A rule looks at what the trace tells of a job's class (partition, QoS, namespace ..), or at its id.
What no rule matches is counted, and never shifted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import DataError, Finding, escape_control, plural
from greensched.model import NONE, JobClass, Jobs, Services
from greensched.readers.grid import SERVICE_TIME_MS
from greensched.scenario.cut import take_jobs
from greensched.units import MS_PER_H, MS_PER_MIN

if TYPE_CHECKING:
    from greensched.model import FloatArray, IntArray
    from greensched.scenario.classifyspec import ClassifySpec, Rule

STEP_MS: Final = 5 * MS_PER_MIN  # of services that jobs become, where there are no others
SHARES: Final = 7  # stream of the seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """Demand by the rules, and what is to be said of it."""

    jobs: Jobs | None
    history_jobs: Jobs | None
    services: Services | None
    history_services: Services | None
    findings: tuple[str, ...]


def classified(given: Classified, spec: ClassifySpec, window_ms: int, seed: int) -> Classified:
    """Return the demand by the rules of `spec`.

    Of the jobs of assumed rules a part of `assumed_share` may wait: with a larger share the same
    ones and more. `window_ms` is where services end that begin here.
    """
    if given.jobs is None:
        return given
    rows = _rule_of(given.jobs, spec.rules)
    draw = np.random.default_rng([seed, SHARES]).random(len(given.jobs))
    jobs = _by_rules(given.jobs, rows, spec, draw)
    past = given.history_jobs
    past_rows = None if past is None else _rule_of(past, spec.rules)
    made = replace(
        given,
        jobs=jobs,
        history_jobs=None
        if past is None or past_rows is None
        else _by_rules(past, past_rows, spec, np.ones(len(past))),
        findings=(*given.findings, *_told(given.jobs, rows, spec)),
    )
    if not np.isin(rows, _served_by(spec)).any():
        return made
    return _with_services(made, given, (rows, past_rows), spec, window_ms)


def _served_by(spec: ClassifySpec) -> list[int]:
    """Return the numbers of the rules that make services."""
    return [i for i, rule in enumerate(spec.rules) if rule.kind == "service"]


def _check_names(names: list[str], base: Services | None) -> None:
    """Raise DataError where the trace has a service of a name already."""
    known = () if base is None else base.names
    twice = [name for name in names if name in known]
    if twice:
        what = f"the trace has a service '{twice[0]}' already"
        raise DataError(Finding(where="classify", what=what, remedy="give 'class' another name"))


def _rule_of(jobs: Jobs, rules: tuple[Rule, ...]) -> IntArray:
    """Return the first rule that matches each job, -1 for none."""
    found = np.full(len(jobs), -1, np.int64)
    for i, rule in enumerate(rules):
        by_class = [_matches(one, rule) for one in jobs.classes]
        sure = np.array([m is True for m in by_class])[jobs.job_class]
        found[(found < 0) & sure] = i
        by_id = np.array([m is None for m in by_class])[jobs.job_class] & (found < 0)
        for row in np.flatnonzero(by_id):
            called = str(row) if jobs.ids is None else str(jobs.ids[int(row)])
            if fnmatchcase(called, rule.patterns["name"]):
                found[row] = i
    return found


def _matches(one: JobClass, rule: Rule) -> bool | None:
    """Say whether a class matches a rule; None where only each job's id can say."""
    by_id = False
    for what, pattern in rule.patterns.items():
        if what == "was":
            known = [one.name]
        else:
            known = [value for key, value in one.attributes if key == what]
        if what == "name" and not known:
            by_id = True
        elif not any(fnmatchcase(value, pattern) for value in known):
            return False
    return None if by_id else True


def _by_rules(jobs: Jobs, rows: IntArray, spec: ClassifySpec, draw: FloatArray) -> Jobs:
    """Return the jobs with the classes of their rules."""
    waits = np.array([r.deferrable for r in spec.rules] + [False])[rows]
    guess = np.array([r.assumed for r in spec.rules] + [False])[rows]
    waits &= ~guess | (draw < spec.assumed_share)
    keys = np.stack([jobs.job_class.astype(np.int64), rows, waits.astype(np.int64)], axis=1)
    unique, number = np.unique(keys, axis=0, return_inverse=True)
    classes = tuple(
        _class(jobs.classes[c], spec.rules[r] if r >= 0 else None, waits=bool(w))
        for c, r, w in unique.tolist()
    )
    distinct = {one: i for i, one in enumerate(dict.fromkeys(classes))}
    of = np.array([distinct[one] for one in classes], np.int32)[number.ravel()]
    of.setflags(write=False)
    return replace(jobs, job_class=of, classes=tuple(distinct) or (JobClass(),))


def _class(one: JobClass, rule: Rule | None, *, waits: bool) -> JobClass:
    """Return a class as its rule says it is; without one it may not wait."""
    if rule is None:
        return replace(one, deferrable=False, interruptible=False, max_delay_ms=NONE)
    given = rule.max_delay
    return replace(
        one,
        name=rule.class_ or one.name,
        attributes=() if rule.class_ else one.attributes,
        deferrable=waits,
        interruptible=waits and rule.interruptible,
        max_delay_ms=NONE if given is None or not waits else given,
    )


def _told(jobs: Jobs, rows: IntArray, spec: ClassifySpec) -> tuple[str, ...]:
    """Return how much of batch matches no rule, and how much of what may wait is a guess."""
    core_h = jobs.cpu_m / 1000 * jobs.tasks * jobs.duration_ms / MS_PER_H
    total = max(float(core_h.sum()), 1e-12)
    left = rows < 0
    part = 100 * float(core_h[left].sum()) / total
    unmatched = (
        f"classify: {int(left.sum()):,} of {len(jobs):,} jobs ({part:.1f} % of core-hours) match "
        "no rule, never shifted"
    )
    idle = [rule for i, rule in enumerate(spec.rules) if not (rows == i).any()]
    said = (unmatched, *(f"classify: no job is left to the rule {_named(r)}" for r in idle))
    guess = np.array([r.assumed for r in spec.rules] + [False])[rows]
    if not guess.any():
        return said
    part = 100 * float(core_h[guess].sum()) / total
    assumed = (
        f"classify: that {plural(int(guess.sum()), 'job')} ({part:.1f} % of core-hours) may wait "
        f"is assumed; {100 * spec.assumed_share:g} % of them do"
    )
    return (*said, assumed)


def _named(rule: Rule) -> str:
    """Return the patterns of a rule in words."""
    return ", ".join(f"{what} '{escape_control(text)}'" for what, text in rule.patterns.items())


def _with_services(
    made: Classified,
    given: Classified,
    rows: tuple[IntArray, IntArray | None],
    spec: ClassifySpec,
    window_ms: int,
) -> Classified:
    """Return the demand with the jobs of `kind: service` as services, a name each."""
    assert given.jobs is not None
    assert made.jobs is not None
    base = given.services
    served = {i: str(spec.rules[i].class_) for i in _served_by(spec) if (rows[0] == i).any()}
    names = sorted(set(served.values()))
    _check_names(names, base)
    of_rule = np.full(len(spec.rules) + 1, -1)
    of_rule[list(served)] = [names.index(name) for name in served.values()]
    now, past = of_rule[rows[0]], None if rows[1] is None else of_rule[rows[1]]
    grid = (0, STEP_MS, -(-window_ms // STEP_MS))
    if base is not None:
        grid = (base.start_ms, base.step_ms, base.load_cpu_m.shape[1])
    services = _joined(base, _services(given.jobs, now, names, grid))
    older = given.history_services
    if older is not None:
        grid = (older.start_ms, older.step_ms, older.load_cpu_m.shape[1])
        jobs = given.history_jobs
        more = _services(given.jobs, now, names, grid)
        if jobs is not None and past is not None:
            load = _load(jobs, past, len(names), grid)
            more = replace(more, load_cpu_m=_readonly(load))
        older = _joined(older, more)
    kept, kept_past = made.jobs, made.history_jobs
    count = int((now >= 0).sum())
    return replace(
        made,
        jobs=take_jobs(kept, now < 0),
        history_jobs=kept_past
        if kept_past is None or past is None
        else take_jobs(kept_past, past < 0),
        services=services,
        history_services=older,
        findings=(*made.findings, _became(count, names)),
    )


def _became(count: int, names: list[str]) -> str:
    """Say how many jobs became which services."""
    return (
        f"classify: now of services are {plural(count, 'job')}: {escape_control(', '.join(names))}"
    )


def _services(jobs: Jobs, of: IntArray, names: list[str], grid: tuple[int, int, int]) -> Services:
    """Return services that want what the jobs of each ran on; a replica is their usual task."""

    def usual(column: Any, least: int) -> IntArray:
        found = [column[of == i] for i in range(len(names))]
        made = np.array([int(np.median(c)) if len(c) else least for c in found], np.int64)
        made.setflags(write=False)
        return made

    count = len(names)

    def filled(value: float, kind: type = np.int64) -> Any:
        return _readonly(np.full(count, value, kind))

    return Services(
        names=tuple(names),
        replica_cpu_m=_readonly(np.maximum(1, usual(jobs.cpu_m, 1))),
        replica_memory_mib=usual(jobs.memory_mib, 0),
        replica_gpu_m=usual(jobs.gpu_m, 0),
        replicas=filled(NONE),
        replicas_min=filled(1),
        replicas_max=filled(NONE),
        startup_ms=filled(MS_PER_MIN),
        service_time_ms=filled(SERVICE_TIME_MS, np.float64),
        service_time_assumed=filled(True, np.bool_),  # noqa: FBT003 the value of a column
        start_ms=grid[0],
        step_ms=grid[1],
        load_cpu_m=_readonly(_load(jobs, of, count, grid)),
    )


def _load(jobs: Jobs, of: IntArray, count: int, grid: tuple[int, int, int]) -> IntArray:
    """Return the CPU [millicores] of running jobs, mean of each step, if they start at once."""
    start_ms, step_ms, steps = grid
    edges = start_ms + step_ms * np.arange(steps + 1, dtype=np.int64)
    total = np.zeros((count, steps))
    cpu_m = jobs.cpu_m.astype(np.float64) * jobs.tasks
    for row in range(count):
        mine = of == row
        begin, long_ms = jobs.submit_ms[mine], jobs.duration_ms[mine]
        points = np.concatenate([begin, begin + long_ms])
        change = np.concatenate([cpu_m[mine], -cpu_m[mine]])
        order = np.argsort(points, kind="stable")
        level = np.concatenate([[0.0], np.cumsum(change[order])])
        at = np.concatenate([[min(edges[0], points.min(initial=edges[0])) - 1], points[order]])
        area = np.concatenate([[0.0], np.cumsum(level[:-1] * np.diff(at))])
        total[row] = np.diff(np.interp(edges, at, area)) / step_ms
    return np.rint(total).astype(np.int64)


def _joined(a: Services | None, b: Services) -> Services:
    """Return both, sorted by name; they have one grid."""
    if a is None:
        return b
    names = (*a.names, *b.names)
    order = sorted(range(len(names)), key=lambda i: names[i].encode())
    columns = {
        f.name: _readonly(np.concatenate([getattr(a, f.name), getattr(b, f.name)])[order])
        for f in fields(Services)
        if isinstance(getattr(a, f.name), np.ndarray)
    }
    return replace(a, names=tuple(names[i] for i in order), **columns)


def _readonly(array: Any) -> Any:
    array.setflags(write=False)
    return array
