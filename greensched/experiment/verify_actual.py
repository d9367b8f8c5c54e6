"""What followed a prediction, in the time of its window: load, jobs, machines, meters, intensity.

Services of the same names keep the attributes that the prediction had: only their load is new.
What was not imported (the jobs, say) stays as predicted, and it is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.scenario import cut
from greensched.units import MS_PER_DAY, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.carbon import CarbonIntensity
    from greensched.experiment.world import Shared
    from greensched.model import Jobs, Services, Trace
    from greensched.readers.machine_hours import MachineHours
    from greensched.readers.meter import Metered
    from greensched.scenario import Workload

DAYS_PER_WEEK: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """What was imported of the time from `start_ms` [since 1970] on."""

    start_ms: int
    traces: tuple[Trace, ...]
    metered: Metered | None = None
    machines: MachineHours | None = None
    intensity: Mapping[str, CarbonIntensity] = field(default_factory=dict)  # by site


def followed(world: Shared, actual: Actual) -> tuple[Workload, tuple[str, ...]]:
    """Return the demand that followed, in window time, and what is to be said of it.

    Raises DataError where it does not cover the window.
    """
    services = [t for t in actual.traces if t.services is not None]
    jobs = [t for t in actual.traces if t.jobs is not None]
    made, found = world.workload, []
    if services:
        made, said = _with_services(world, made, services[0], actual.start_ms)
        found += said
    elif made.services is not None:
        found.append("services: not in what was imported, taken as predicted")
    if jobs:
        made = replace(made, jobs=_jobs(world, jobs[0], actual.start_ms))
    elif made.jobs is not None:
        found.append("jobs: not in what was imported, taken as predicted")
    if made.databases is not None:
        found.append("databases: taken as predicted")
    offset_ms = actual.start_ms - world.scenario.start_utc_ms
    if offset_ms % (DAYS_PER_WEEK * MS_PER_DAY):
        found.append("it does not begin on the weekday and hour of the prediction")
    return made, tuple(found)


def _from_ms(trace: Trace, start_ms: int) -> int:
    """Return the instant of a trace that is the start; its first where it has no calendar."""
    if not trace.zero_utc:
        return cut.first_ms(trace)
    return start_ms - round(datetime.fromisoformat(trace.zero_utc).timestamp() * MS_PER_S)


def _with_services(
    world: Shared, made: Workload, trace: Trace, start_ms: int
) -> tuple[Workload, list[str]]:
    """Return the demand with the load that followed, and with what was known before it."""
    services, predicted = trace.services, made.services
    assert services is not None
    from_ms, window_ms = _from_ms(trace, start_ms), world.scenario.window_ms
    end_ms = services.start_ms + services.step_ms * services.load_cpu_m.shape[1]
    if services.start_ms > from_ms or end_ms < from_ms + window_ms:
        what = (
            f"load is known for {(end_ms - from_ms) / MS_PER_DAY:.3g} days of what followed, the"
            f" prediction is of {window_ms / MS_PER_DAY:.3g}"
        )
        raise DataError(Finding(where="--actual", what=what, remedy="import all of it, or later"))
    window, _ = cut.cut_services(services, from_ms, window_ms)
    history_ms = round(world.scenario.spec.history.days * MS_PER_DAY)
    before = cut.history_services(services, from_ms, history_ms)
    found = _changed(predicted, window)
    if predicted is not None and not found:
        window, before = (_as_predicted(one, predicted) for one in (window, before))
        if before is None:
            before = _continued(made, start_ms - world.scenario.start_utc_ms, window_ms)
    if before is None:
        found.append("nothing is known of the load before it: no forecast in the runs of it")
    return replace(made, services=window, history_services=before), found


def _changed(predicted: Services | None, window: Services) -> list[str]:
    """Say which services came and went; empty where they are those of the prediction."""
    old = () if predicted is None else predicted.names
    came = [n for n in window.names if n not in old]
    went = [n for n in old if n not in window.names]
    said = {"came": came, "went": went}
    return [f"services that {word}: {', '.join(names)}" for word, names in said.items() if names]


def _as_predicted(one: Any, predicted: Services) -> Any:
    """Return services with the attributes of the prediction and their own load."""
    if one is None:
        return None
    return replace(
        predicted, start_ms=one.start_ms, step_ms=one.step_ms, load_cpu_m=one.load_cpu_m
    )


def _continued(made: Workload, offset_ms: int, window_ms: int) -> Services | None:
    """Return what the prediction knew before its window, and its window where that is over."""
    services, past = made.services, made.history_services
    if services is None or offset_ms < window_ms:
        return past if offset_ms == 0 else None
    if offset_ms > window_ms or services.start_ms % services.step_ms:
        return None
    steps = window_ms // services.step_ms
    load, start_ms = services.load_cpu_m[:, :steps], -steps * services.step_ms
    if past is not None and past.step_ms == services.step_ms:
        load = np.concatenate([past.load_cpu_m, load], axis=1)
        start_ms -= past.load_cpu_m.shape[1] * past.step_ms
    return replace(services, start_ms=int(start_ms), load_cpu_m=load)


def _jobs(world: Shared, trace: Trace, start_ms: int) -> Jobs:
    """Return the jobs that followed."""
    assert trace.jobs is not None
    return cut.cut_jobs(trace.jobs, _from_ms(trace, start_ms), world.scenario.window_ms)


def by_interval(edges_ms: Any, rows: Sequence[tuple[int, int, float]]) -> tuple[Any, Any]:
    """Return amounts spread evenly over their spans, by interval, and the share that is covered.

    `rows` are (from, until, amount) in window time; the share is of rows that do not overlap.
    """
    sums, covered = np.zeros((2, len(edges_ms) - 1))
    lengths = np.diff(edges_ms)
    for from_ms, until_ms, amount in rows:
        first, last = np.searchsorted(edges_ms, (from_ms, until_ms), side="right") - 1
        own = slice(max(0, first), min(len(lengths), last + 1))
        shared_ms = np.minimum(edges_ms[1:][own], until_ms) - np.maximum(
            edges_ms[:-1][own], from_ms
        )
        shared_ms = np.maximum(shared_ms, 0)
        sums[own] += amount * shared_ms / (until_ms - from_ms)
        covered[own] += shared_ms / lengths[own]
    return sums, covered
