"""What `shift` is told, as numbers: durations, queues, prices, instants; every mistake at once."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_H, MS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from greensched.shift import Queue, Terms

QUEUE_EXAMPLE = "such as short:2h:6h, and long::24h for all others"
QUEUE_PARTS = 3
SPAN_MAX_MS = 100 * MS_PER_YEAR
CORES_MAX = 1e9
WORKERS_MAX = 64  # of a job that scales
STEP_MS = MS_PER_H  # between starts that are compared, where none is given


def read_terms(given: dict[str, Any]) -> Terms:
    """Return the terms of a study; raises UsageError with all that cannot be."""
    from greensched.scenario.quantity import DURATION, POWER, convert
    from greensched.shift import Terms
    from greensched.units import CPU_M_PER_CORE

    findings: list[Finding | str] = []

    def read(option: str, make: Callable[[Any], Any]) -> Any:
        return _read(option, given[option], make, findings)

    def duration_ms(text: str) -> int:
        return round(_above(convert(text, DURATION), 1, SPAN_MAX_MS))

    def cpu_m(cores: float) -> int:
        return round(_above(cores, 0, CORES_MAX) * CPU_M_PER_CORE)

    values = {
        "tick_ms": read("tick", duration_ms),
        "core_w": read("power_per_core", lambda t: _more_than_0(convert(t, POWER))),
        "expected": given["expected_length"],
        "interruptible": given["interruptible"],
        "reserved_cpu_m": read("reserved", cpu_m),
        "solver": given["solver"],
    }
    if given["queues"]:
        values["queues"] = tuple(_queue(text, duration_ms, findings) for text in given["queues"])
    for option, name, make in (
        ("start_step", "step_ms", duration_ms),
        ("horizon", "horizon_ms", duration_ms),
        ("price_on_demand", "price_per_core_h", _price),
        ("reserved_discount", "reserved_discount", _share),
        ("capacity", "capacity_cpu_m", lambda cores: _above(cpu_m(cores), 1)),
        ("checkpoint", "checkpoint_ms", duration_ms),
        ("throughput", "throughput", _throughput),
    ):
        if given[option] is not None:
            values[name] = read(option, make)
    if given["from"]:
        read("from", lambda text: begin(text, given["time_zone"]))
    if not findings:
        findings += _at_odds(given, values)
    if findings:
        raise UsageError(*findings)
    tick_ms = values["tick_ms"]
    return Terms(**{"step_ms": max(1, STEP_MS // tick_ms) * tick_ms} | values)


def _at_odds(given: dict[str, Any], values: dict[str, Any]) -> Iterator[Finding]:
    """Yield what each option allows and all of them together do not."""
    from greensched.model import NONE

    if values.get("step_ms", 0) % values["tick_ms"]:
        what = f"is no multiple of --tick {given['tick']}"
        remedy = "take a step of whole ticks, or a tick that divides it"
        yield Finding(where=f"--start-step {given['start_step']}", what=what, remedy=remedy)
    queues: tuple[Queue, ...] = values.get("queues", ())
    for i, queue in enumerate(queues):
        for before in queues[:i]:
            if before.below_ms == NONE or NONE != queue.below_ms <= before.below_ms:
                what = f"takes no job: '{before.name}' before it takes all of them"
                remedy = "name queues from the shortest jobs to the longest"
                yield Finding(where=f"--queue {given['queues'][i]}", what=what, remedy=remedy)
                break
    if given["reserved_discount"] is not None and not (
        values["reserved_cpu_m"] and "price_per_core_h" in values
    ):
        what = "changes nothing without reserved cores and a price"
        remedy = "give --reserved and --price-on-demand too, or leave it"
        where = f"--reserved-discount {given['reserved_discount']}"
        yield Finding(where=where, what=what, remedy=remedy)


def all_told(given: dict[str, Any], *readers: Callable[[dict[str, Any]], Any]) -> list[Any]:
    """Return what each reader makes of the options; raises one UsageError with all mistakes."""
    made: list[Any] = []
    findings: list[Finding | str] = []
    for reader in readers:
        try:
            made.append(reader(given))
        except UsageError as error:
            findings += error.findings
    if findings:
        raise UsageError(*findings)
    return made


def _read(
    option: str, value: Any, make: Callable[[Any], Any], findings: list[Finding | str]
) -> Any:
    """Return what `make` makes of an option's value; a finding where it cannot be."""
    try:
        return make(value)
    except UsageError as error:
        findings.extend(error.findings)
    except ValueError as error:
        shown = f"--{option.replace('_', '-')} {value}"
        findings.append(Finding(where=shown, what=str(error)))
    return None


def begin(text: str, time_zone: str) -> tuple[int, int]:
    """Return an instant [ms since 1970, UTC] and its clock's distance from UTC [ms].

    A time that states no offset is in `time_zone`. Raises UsageError where it is none.
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from greensched.units import MS_PER_S

    where = f"--from {text}".strip()
    if not text:
        what = "the trace has no calendar, so somebody must say what its zero stands for"
        remedy = "name the instant, such as --from 2023-01-01T00:00Z"
        raise UsageError(Finding(where=where, what=what, remedy=remedy))
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC if time_zone == "UTC" else ZoneInfo(time_zone))
    except (ValueError, ZoneInfoNotFoundError) as error:
        what = f"is no instant: {error}"
        remedy = "write it like 2023-01-01T00:00Z"
        raise UsageError(Finding(where=where, what=what, remedy=remedy)) from None
    offset = time.utcoffset()
    assert offset is not None
    return round(time.timestamp() * MS_PER_S), round(offset.total_seconds() * MS_PER_S)


def _above(value: float, least: float, most: float = math.inf) -> float:
    """Return `value`, or raise ValueError where it is below `least`, above `most` or endless."""
    if not least <= value < math.inf:
        message = f"must be at least {least:g}"
        raise ValueError(message)
    if value > most:
        message = f"must be at most {most:g}"
        raise ValueError(message)
    return value


def _more_than_0(value: float) -> float:
    """Return `value`, or raise ValueError where it is 0, below or endless."""
    if _above(value, 0.0) == 0.0:
        message = "must be above 0"
        raise ValueError(message)
    return value


def _price(text: str) -> float:
    """Return a price of a core-hour, in whatever currency."""
    from greensched.scenario.quantity import money

    try:
        return float(_above(float(text), 0.0))
    except ValueError:
        return money(text, "h")[0]


def _share(text: str) -> float:
    """Return `0.6` or `60 %` as a share."""
    percent = text.strip().endswith("%")
    message = "is no share between 0 and 1, such as 0.6 or 60 %"
    try:
        value = float(text.strip().removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        raise ValueError(message) from None
    if not 0.0 <= value <= 1.0:
        raise ValueError(message)
    return value


def _throughput(text: str) -> tuple[float, ...]:
    """Return `1,1.9,2.6`: what 1, 2, .. workers do, against one."""
    message = "must begin with 1, for one worker, and never fall; such as 1,1.9,2.6"
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(message) from None
    if found[0] != 1.0 or not all(a <= b < math.inf for a, b in itertools.pairwise(found)):
        raise ValueError(message)
    if len(found) > WORKERS_MAX:
        message = f"has {len(found)} workers, more than {WORKERS_MAX}"
        raise ValueError(message)
    return found


def _queue(
    text: str, duration_ms: Callable[[str], int], findings: list[Finding | str]
) -> Queue | None:
    """Return `NAME:BELOW:WAIT` as a queue; a finding where it is none."""
    from greensched.model import NONE
    from greensched.scenario.quantity import DURATION, convert
    from greensched.shift import Queue

    where, parts = f"--queue {text}", text.split(":")
    if len(parts) != QUEUE_PARTS:
        findings.append(Finding(where=where, what="is not NAME:BELOW:WAIT", remedy=QUEUE_EXAMPLE))
        return None
    name, below, wait = parts
    try:
        return Queue(
            name=name,
            below_ms=duration_ms(below) if below else NONE,
            longest_wait_ms=round(_above(convert(wait, DURATION), 0, SPAN_MAX_MS)),
        )
    except ValueError as error:
        findings.append(Finding(where=where, what=str(error), remedy=QUEUE_EXAMPLE))
        return None
