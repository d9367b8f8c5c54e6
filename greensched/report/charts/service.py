"""At what risk: how much of each objective's limit is used, and the services that suffer most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report.charts import chart as c
from greensched.report.difference import look_up
from greensched.report.left_out import LATENCY, WITHOUT_BATCH, is_batch_left_out
from greensched.report.words import digits_apart, digits_for, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

SERVICES_MAX: Final = 12  # the worst, in a picture; the rest are in no chart
# key of an outcome -> label; scale and unit of its value as people read it
OBJECTIVES: Final = {
    "service.latency_factor_p99": ("p99 latency, modelled", 1, "x"),
    "service.shortage_share": ("services short of CPU", 100, "%"),
    "batch.deadline_miss": ("missed deadlines", 100, "%"),
    "batch.wait_p95": ("wait for room, p95", 1 / 60, "min"),
    "databases.shortage_share": ("databases short of CPU", 100, "%"),
}
VALUES: Final = {
    "batch.deadline_miss": "batch.deadline_miss_share",
    "batch.wait_p95": "batch.wait_p95_s",
}
LIMITS: Final = {"batch.wait_p95": "batch.wait_p95_limit_s"}
FLOORS: Final = {"service.latency_factor_p99": 1.0}  # as fast as the baseline: nothing is used


def judged(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row an objective that is judged: its limit, its values, whether it is held."""
    rows = []
    renamed = {LATENCY: WITHOUT_BATCH} if is_batch_left_out(summary) else {}
    for key, (label, scale, unit) in OBJECTIVES.items():
        limit = look_up(summary["scenario"], LIMITS.get(key, f"{key}_limit"))
        held = look_up(summary["scenario"], f"{key}_ok")
        if limit is None or held is None:
            continue
        values = [look_up(summary[run], VALUES.get(key, key)) for run in ("baseline", "scenario")]
        shown = [None if v is None else v * scale for v in (limit, *values)]
        rows.append(
            {
                "objective": renamed.get(key, label),
                "unit": unit,
                "floor": FLOORS.get(key),
                "limit": shown[0],
                "baseline": shown[1],
                "scenario": shown[2],
                "used_percent": [_used(v, limit, FLOORS.get(key, 0.0)) for v in values],
                "held": held,
            }
        )
    return rows


def objectives(summary: Mapping[str, Any]) -> c.Chart | None:
    """Return how much of each limit both runs use; None where nothing is judged."""
    import pandas as pd

    kind = summary["baseline"]["kind"]
    rows = [
        {
            "objective": row["objective"],
            "run": name,
            "used_percent": row["used_percent"][i],
            "value": value,
            "limit": row["limit"],
            "unit": row["unit"],
        }
        for row in judged(summary)
        for i, (name, value) in enumerate(((kind, row["baseline"]), ("scenario", row["scenario"])))
    ]
    frame = pd.DataFrame(rows)
    if frame.empty or frame["used_percent"].isna().all():
        return None
    return c.Chart(
        name="objectives",
        title="How much of each limit is used",
        sees=objectives_sentence(summary),
        caption=(
            "100 % is the limit that the scenario states; beyond it an objective is broken. Of a "
            "latency factor, what counts is how far it goes beyond 1, as fast as the baseline."
        ),
        data=frame,
        definition=_limits(frame, kind),
    )


def _used(value: float | None, limit: float, floor: float) -> float | None:
    """Return the share that is used of what lies between `floor` and a limit [%].

    Where nothing lies between, a value that keeps the limit uses nothing, and another twice all.
    """
    if value is None:
        return None
    if limit <= floor:
        return 0.0 if value <= limit else 200.0
    return max(0.0, 100 * (value - floor) / (limit - floor))


def objectives_sentence(summary: Mapping[str, Any]) -> str:
    """Return whether the objectives are held, and which is nearest to its limit."""
    rows = judged(summary)
    if not rows:
        return "The scenario states no objective (slo): its service is not judged."
    broken = [row["objective"] for row in rows if not row["held"]]
    known = [row for row in rows if row["scenario"] is not None]
    count = plural(len(rows), "objective")
    if broken:
        return f"Of {count} {len(broken)} broken: {', '.join(broken)}."
    if not known:
        return f"{count} held: there was nothing to break."
    near = max(known, key=lambda row: row["used_percent"][1])
    used = near["used_percent"][1]
    held = "The one objective is held" if len(rows) == 1 else f"All {count} are held"
    if used == 0:
        return f"{held}, without any use of a limit."
    value, limit, unit, floor = (near[k] for k in ("scenario", "limit", "unit", "floor"))
    of = "that limit" if floor is None else f"what lies between {floor:g} and that limit"
    return (
        f"{held}; nearest to its limit is {near['objective']}: {value:,.3g} {unit} where the "
        f"limit is {limit:,.3g} {unit}: {number(used, 0)} % of {of} is used."
    )


def _limits(frame: pd.DataFrame, kind: str) -> Any:
    import altair as alt

    names = [kind, "scenario"]
    bars = (
        alt.Chart()
        .mark_bar()
        .encode(
            y=alt.Y("objective:N", title=None, sort=list(dict.fromkeys(frame["objective"]))),
            yOffset=alt.YOffset("run:N", sort=names),
            x=alt.X("used_percent:Q", title="of the limit, %", scale=alt.Scale(domainMin=0)),
            color=alt.Color(
                "run:N", title=None, scale=alt.Scale(domain=names, range=[c.BASELINE, c.SCENARIO])
            ),
            tooltip=[
                alt.Tooltip("objective:N"),
                alt.Tooltip("run:N"),
                alt.Tooltip("value:Q", format=",.4~g"),
                alt.Tooltip("limit:Q", format=",.4~g"),
                alt.Tooltip("unit:N"),
                alt.Tooltip("used_percent:Q", title="of the limit, %", format=".1f"),
            ],
        )
    )
    limit = alt.Chart(alt.InlineData(values=[{"x": 100}]))
    rule = limit.mark_rule(color=c.INK, strokeWidth=2, strokeDash=[6, 3]).encode(x="x:Q")
    word = limit.mark_text(
        text="limit", align="right", dx=-4, y=0, dy=-6, color=c.INK, fontSize=12
    ).encode(x="x:Q")
    made = alt.layer(bars, rule, word, data=alt.NamedData(name=c.ROWS))
    return made.properties(width=c.WIDTH, height=40 * frame["objective"].nunique())


def services(summary: Mapping[str, Any]) -> c.Chart | None:
    """Return the services with most minutes in violation; None where none has any."""
    import pandas as pd

    kind = summary["baseline"]["kind"]
    minutes = {
        name: look_up(summary[run], "service.violation_min_by_service") or {}
        for name, run in ((kind, "baseline"), ("scenario", "scenario"))
    }
    worst = {n: max(m.get(n, 0.0) for m in minutes.values()) for m in minutes.values() for n in m}
    order = sorted((n for n in worst if worst[n] > 0), key=lambda n: (-worst[n], n))
    if not order:
        return None
    rows = [
        (service, run, own.get(service, 0.0))
        for service in order[:SERVICES_MAX]
        for run, own in minutes.items()
    ]
    frame = pd.DataFrame(rows, columns=["service", "run", "violation_min"])
    return c.Chart(
        name="services",
        title="Services that suffer most",
        sees=_services_see(minutes, kind),
        caption=(
            "Minutes in which a service was short of CPU or above its latency limit"
            + (
                f"; the worst {SERVICES_MAX} of {len(order)}."
                if len(order) > SERVICES_MAX
                else "."
            )
        ),
        data=frame,
        definition=_services(frame, kind),
    )


def _services_see(minutes: Mapping[str, Mapping[str, float]], kind: str) -> str:
    """Return how many services are in violation before and after, and the worst of them."""
    scenario, baseline = minutes["scenario"], minutes[kind]
    counts = [sum(v > 0 for v in own.values()) for own in (baseline, scenario)]
    sums = [sum(own.values()) for own in (baseline, scenario)]
    digits = digits_apart(sums[0], sums[1], digits_for(sums))
    total = [number(one, digits) for one in sums]
    text = (
        f"{plural(counts[1], 'service')} in violation for {total[1]} service-minutes in all; "
        f"{counts[0]} and {total[0]} under {kind}."
    )
    if scenario and max(scenario.values()) > 0:
        worst = min(scenario, key=lambda n: (-scenario[n], n))
        text += f" Worst: {worst}, {number(scenario[worst], 1)} min."
    return text


def _services(frame: pd.DataFrame, kind: str) -> Any:
    import altair as alt

    names = [kind, "scenario"]
    bars = (
        alt.Chart(alt.NamedData(name=c.ROWS))
        .mark_bar()
        .encode(
            y=alt.Y("service:N", title=None, sort=list(dict.fromkeys(frame["service"]))),
            yOffset=alt.YOffset("run:N", sort=names),
            x=alt.X("violation_min:Q", title="in violation, min"),
            color=alt.Color(
                "run:N", title=None, scale=alt.Scale(domain=names, range=[c.BASELINE, c.SCENARIO])
            ),
            tooltip=[
                alt.Tooltip("service:N"),
                alt.Tooltip("run:N"),
                alt.Tooltip("violation_min:Q", title="in violation, min", format=",.1f"),
            ],
        )
    )
    return bars.properties(width=c.WIDTH, height=28 * frame["service"].nunique())
