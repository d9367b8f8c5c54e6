"""The words around the numbers: what was replayed, the stamp, what to know of the data."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report.difference import (
    by_key,
    look_up,
    why_nothing,
)
from greensched.report.difference_rows import ENERGY, MACHINES, SCOPE2
from greensched.report.words import number, span
from greensched.units import MS_PER_S, S_PER_H, S_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greensched.report.difference_rows import Line

WORST_MAX: Final = 3
TOLD_SHARE: Final = 0.01  # of a saving, beyond which the time after the window is told of
SHORT_SHARE: Final = 0.001  # of work that may be lacking where no objective says how much
_OBJECTIVES: Final = {
    "service.latency_factor_p99": "the latency objective",
    "service.shortage_share": "the shortage objective",
    "databases.shortage_share": "the databases' shortage objective",
    "batch.deadline_miss": "the deadline objective",
    "batch.wait_p95": "the waiting objective",
}
_DAYS: Final = (*("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),)


def headline(summary: Mapping[str, Any]) -> str:
    """Return what was replayed: `tidal-week: 7 days, 40 services, 20,153 jobs, 400 machines`.

    What every figure covers is the window and the time in which its last jobs end.
    """
    demand = summary["demand"]
    after = drain(summary)
    parts = [days(summary) + (f" and {after} until {_last(summary)}" if after else "")]
    parts += [
        plural(int(demand[key]), noun)
        for key, noun in (
            ("services", "service"),
            ("jobs", "job"),
            ("databases", "database"),
            ("machines", "machine"),
        )
        if demand.get(key)
    ]
    return f"{summary['name']}: {', '.join(parts)}"


def days(summary: Mapping[str, Any]) -> str:
    """Return the window's length in words."""
    return span(summary["window"]["length_s"])


def drain(summary: Mapping[str, Any]) -> str:
    """Return how long runs go on after the window, `53.5 h`; empty where they do not."""
    after_s = summary["window"]["end_s"] - summary["window"]["length_s"]
    if after_s <= 0:
        return ""
    if after_s < S_PER_H:
        return f"{number(after_s / S_PER_MIN, 1)} min"
    return f"{number(after_s / S_PER_H, 1)} h"


def _last(summary: Mapping[str, Any]) -> str:
    """Return what ended the drain: the last job, or its limit."""
    left = any(look_up(summary, f"{run}.batch.unfinished") for run in ("baseline", "scenario"))
    return "the drain was cut" if left else "the last job ended"


def in_window(summary: Mapping[str, Any]) -> str:
    """Return what of the saving lies within the window; empty where that is all but 1 %."""
    saved, within = summary["savings"], summary["savings"]["in_window"]
    shares = {k: within[k] / saved[k] if saved[k] else 1.0 for k in (ENERGY, SCOPE2)}
    if not drain(summary) or all(abs(1 - v) <= TOLD_SHARE for v in shares.values()):
        return ""
    rest = {k: saved[k] - within[k] for k in shares}
    turns = any(rest[k] * within[k] < 0 for k in shares)
    after = f"the {drain(summary)} after it, in which the last jobs end and services keep their "
    after += "last load"
    text = f"within the window of {days(summary)} it {_taken(summary, within, turns=turns)}"
    if turns:
        return f"{text}; in {after}, it {_taken(summary, rest, turns=True)}"
    return f"{text}, the rest in {after}"


def _taken(summary: Mapping[str, Any], part: Mapping[str, float], *, turns: bool) -> str:
    """Return what a part of the run saves, or takes more; its share where the rest goes as it."""
    rows, saved = by_key(summary), summary["savings"]
    loses = any(part[k] < 0 for k in (ENERGY, SCOPE2))
    told = []
    for key, end in ((ENERGY, ""), (SCOPE2, "CO2e")):
        share = part[key] / saved[key] if saved[key] else 1.0
        text = rows[key].shown(part[key]) + end
        text = " ".join(_less(rows[key], part[key], end)) if loses else text
        told.append(text + (f" ({100 * share:.0f} %)" if 0 <= share <= 1 and not turns else ""))
    return f"{'takes' if loses else 'saves'} {' and '.join(told)}"


def stamp(summary: Mapping[str, Any]) -> str:
    """Return what kind of data, of result and of calibration it is."""
    given = summary["stamp"]
    return " · ".join((given["data"], given["result"], given["calibration"]))


def start(summary: Mapping[str, Any]) -> datetime:
    """Return the window's start, in the scenario's own time zone."""
    return datetime.fromisoformat(summary["window"]["start"])


def question(summary: Mapping[str, Any]) -> str:
    """Return the question that the table answers."""
    return f"this fleet, from {_DAYS[start(summary).weekday()]}"


def sentence(summary: Mapping[str, Any]) -> str:
    """Return the result in one sentence, with its service."""
    saved = look_up(summary, "savings.energy_facility_kwh")
    kind = look_up(summary, "baseline.kind")
    unlike = " This is not at equal service." if unequal(summary) else ""
    if why := why_nothing(summary):
        return spoken(why) + unlike
    share = look_up(summary, "savings.share.energy_facility_kwh") or 0.0
    broken, open_ = broken_objectives(summary), not_judged(summary)
    held = f"but breaks {', '.join(broken)}" if broken else "with its stated objectives held"
    if open_:
        held = f"{held}, with" if broken else "with"
        held += f" {', '.join(open_)} not judged"
    rows = by_key(summary)
    scope2, machines = (
        _less(rows[k], summary["savings"][k], end) for k, end in ((SCOPE2, "CO2e"), (MACHINES, ""))
    )
    return (
        f"Against {kind} the scenario takes {rows[ENERGY].shown(saved)} ({100 * share:.1f} %) "
        f"less facility energy, {scope2[0]} {scope2[1]} scope 2 and {machines[0]} "
        f"{'fewer' if machines[1] == 'less' else 'more'} machines on average, {held}."
    ) + unlike


def spoken(remark: str) -> str:
    """Return a remark as a sentence; nothing for none."""
    return f"{remark[0].upper()}{remark[1:]}." if remark else ""


def _less(row: Line, saved: float, end: str) -> tuple[str, str]:
    """Return how much is saved, `end` after its unit, and if that is less or, below zero, more."""
    return row.shown(abs(saved)) + end, "less" if saved >= 0 else "more"


def broken_objectives(summary: Mapping[str, Any]) -> list[str]:
    """Return the objectives that the scenario breaks, in words."""
    told = summary["scenario"]
    return [text for key, text in _OBJECTIVES.items() if look_up(told, f"{key}_ok") is False]


def not_judged(summary: Mapping[str, Any]) -> list[str]:
    """Return the objectives that could be judged of the baseline and not of the scenario."""
    before, after = summary["baseline"], summary["scenario"]
    return [
        text
        for key, text in _OBJECTIVES.items()
        if look_up(after, f"{key}_ok") is None and look_up(before, f"{key}_ok") is not None
    ]


def remarks(summary: Mapping[str, Any]) -> list[str]:
    """Return what has to be said below the table, in sentences."""
    said = (unequal, in_window, captured, worst_services, worst_databases, interference, balance)
    return [text for one in said if (text := one(summary))]


def unequal(summary: Mapping[str, Any]) -> str:
    """Return that not the same work was done; empty where it was, or what is left is priced."""
    told = [*_left_undone(summary), *_left_short(summary)]
    if not told:
        return ""
    return (
        f"NOT AT EQUAL SERVICE: {'; '.join(told)}; what is saved is not the price of the same work"
    )


def _left_undone(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield that one run leaves more jobs undone, where runs go on until all have ended."""
    before, after = (
        look_up(summary, f"{run}.batch.unfinished") or 0 for run in ("baseline", "scenario")
    )
    if drain(summary) and before != after:
        jobs, kind = plural(summary["demand"]["jobs"], "job"), summary["baseline"]["kind"]
        yield (
            f"of {jobs} {before:,} are unfinished under {kind} and {after:,} under the scenario"
        )


def _left_short(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield that services or databases miss more of their work in one run than is allowed."""
    kind = summary["baseline"]["kind"]
    for part, name in (("service", "services"), ("databases", "databases")):
        key = f"{part}.shortage_share"
        before, after = (look_up(summary[run], key) for run in ("baseline", "scenario"))
        most = look_up(summary["scenario"], f"{key}_limit")
        if before is None or after is None:
            continue
        if abs(after - before) > (SHORT_SHARE if most is None else most):
            yield (
                f"{name} lack {100 * before:.1f} % of their work under {kind} and "
                f"{100 * after:.1f} % under the scenario"
            )


def balance(summary: Mapping[str, Any]) -> str:
    """Return which balance checks hold, or that one does not; empty where none was made."""
    checks = summary.get("balance") or []
    if not checks:
        return ""
    failed = [f"{c['check']} by {c['difference']:,} {c['unit']}" for c in checks if not c["ok"]]
    if failed:
        return f"BALANCE BROKEN, a bug of greensched: {'; '.join(failed)}"
    return f"balance holds in every run: {'; '.join(c['check'] for c in checks)}"


def captured(summary: Mapping[str, Any]) -> str:
    """Return how much of what the bounds leave to save was saved; empty where nothing is."""
    shares = (summary.get("bounds") or {}).get("captured", {})
    named = {
        "machines_on_mean": "machines on",
        "energy_facility_kwh": "energy",
        "scope2_location_kg": "scope 2",
    }
    parts = [
        f"{number(100 * shares[k])} % of {name}" for k, name in named.items() if shares.get(k)
    ]
    if not parts:
        return ""
    return (
        f"captured of what the bound leaves to save: {', '.join(parts)} (the bound knows the "
        "future, moves work for nothing and lets jobs wait)"
    )


def worst_services(summary: Mapping[str, Any]) -> str:
    """Return the services with most minutes in violation, or that there are none."""
    minutes = look_up(summary, "scenario.service.violation_min_by_service") or {}
    worst = sorted(((v, k) for k, v in minutes.items() if v > 0), key=lambda p: (-p[0], p[1]))
    if not worst:
        return "no service in violation" if look_up(summary, "demand.services") else ""
    listed = ", ".join(f"{name} {number(value, 1)} min" for value, name in worst[:WORST_MAX])
    more = len(worst) - WORST_MAX
    return f"worst services: {listed}" + (f" and {more} more" if more > 0 else "")


def interference(summary: Mapping[str, Any]) -> str:
    """Return how batch slowed services, and at which interference an objective would break."""
    told = summary.get("interference")
    if told is None:
        return ""
    slope, factor = told["break_even_slope"], told["break_even_factor"]
    slowed = f"{number(100 * ((told['slowdown_mean'] or 1.0) - 1.0), 2)} %"
    if told["model"] != "none":
        text = f"interference ({told['model']}): services slowed by {slowed} on average"
    elif told["slowdown_mean"] not in {None, 1.0}:
        text = f"interference: not modelled; services slowed by {slowed} by shared cores"
    else:
        text = "interference: not modelled, so what batch does to latency is left out"
    breaks = []
    if factor is not None:
        breaks.append(f"at {number(factor, 2)} times that")
    if slope is not None:
        long = f"{100 * slope:,.0f} % longer"
        breaks.append(f"if batch that fills a machine made requests beside it take {long}")
    if not breaks:
        return text if told["slowdown_mean"] not in {None, 1.0} else ""
    if not (slope or factor):
        return f"{text}; the latency objective is broken without any"
    who = f" ({told['limited_by']} first)" if told["limited_by"] else ""
    return f"{text}; the latency objective would break {', '.join(breaks)}{who}"


def worst_databases(summary: Mapping[str, Any]) -> str:
    """Return the databases with most minutes in violation, and those that are nowhere; or none."""
    found = look_up(summary, "scenario.databases") or {}
    minutes = found.get("violation_min_by_database") or {}
    worst = sorted(((v, k) for k, v in minutes.items()), key=lambda p: (-p[0], p[1]))
    texts = [f"{name} {number(value, 1)} min" for value, name in worst[:WORST_MAX]]
    if more := len(worst) - len(texts):
        texts.append(f"{more} more")
    if missing := found.get("unplaced"):
        texts.append(f"{plural(missing, 'replica')} found no machine")
    return f"worst databases: {', '.join(texts)}" if texts else ""


def quality(summary: Mapping[str, Any]) -> list[str]:
    """Return what is to be known of the data, one line each."""
    demand = summary["demand"]
    notes = list(demand["findings"])
    if surplus := demand.get("machines_surplus"):
        is_more = "is" if surplus == 1 else "are"
        notes.append(
            f"{plural(int(surplus), 'machine')} beyond what the baseline needs {is_more} surplus: "
            "off in both runs, no saving"
        )
    if after := drain(summary):
        which = "every figure"
        if in_window(summary):
            which = "only what is said to be within the window is of it alone; every other figure"
        notes.append(
            f"{which} is of the window and of {after} after it, until {_last(summary)}; "
            "services keep their last load for that time"
        )
    rejected = look_up(summary, "scenario.actions_rejected")
    if rejected:
        notes.append(f"{plural(int(rejected), 'action')} of the switches could not be carried out")
    return notes


def start_offset_ms(summary: Mapping[str, Any]) -> int:
    """Return local time less UTC at the window's start [ms]."""
    offset = start(summary).utcoffset()
    return round(offset.total_seconds() * MS_PER_S) if offset else 0
