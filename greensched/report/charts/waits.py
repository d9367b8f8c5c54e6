"""How long jobs wait, before and after: the share that has begun within a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report.charts import chart as c
from greensched.report.words import number
from greensched.units import S_PER_H

if TYPE_CHECKING:
    import pandas as pd

POINTS: Final = 200  # of each curve
WAIT: Final = "wait_h"
STARTS: Final = {"baseline": "start_baseline_s", "scenario": "start_s"}


def waits(jobs: pd.DataFrame, kind: str) -> c.Chart | None:
    """Return both curves; None where no job began. `jobs` as in `jobs.parquet`."""
    import pandas as pd

    if "submit_s" not in jobs or any(column not in jobs for column in STARTS.values()):
        return None
    hours = {run: _hours(jobs, column) for run, column in STARTS.items()}
    if all(own.empty for own in hours.values()):
        return None
    names = {"baseline": kind, "scenario": "scenario"}
    frame = pd.concat(
        [_curve(own, len(jobs), names[run]) for run, own in hours.items()], ignore_index=True
    )
    return c.Chart(
        name="waits",
        title="How long jobs wait",
        sees=_sees(jobs, hours, kind),
        caption=(
            "Share of all jobs that began within a time of being submitted, waiting by choice "
            "for cleaner hours included; the higher and the further left, the sooner. Steps are "
            "equal below 0.1 h, then ever wider."
        ),
        data=frame,
        definition=_definition(kind),
    )


def _hours(jobs: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return the waits of the jobs that began, in order [h]."""
    wait: pd.Series[float] = (jobs[column] - jobs["submit_s"]) / S_PER_H
    return wait.dropna().clip(lower=0.0).sort_values(ignore_index=True)


def _curve(waited: pd.Series[float], count: int, run: str) -> pd.DataFrame:
    """Return `POINTS` of the curve: the wait within which a share of `count` jobs had begun."""
    import numpy as np
    import pandas as pd

    at = np.unique(np.linspace(0, len(waited) - 1, POINTS).round().astype(int))
    at = at[at >= 0] if len(waited) else at[:0]
    return pd.DataFrame(
        {"run": run, WAIT: waited.to_numpy()[at], "begun_percent": 100 * (at + 1) / count}
    )


def _sees(jobs: pd.DataFrame, hours: dict[str, pd.Series[float]], kind: str) -> str:
    """Return what half and 95 of 100 jobs wait before and after, and who never began."""
    texts = []
    for run, name in (("scenario", "In the scenario"), ("baseline", f"under {kind}")):
        if hours[run].empty:
            texts.append(f"{name} none begins")
            continue
        half, most = (number(float(hours[run].quantile(q)), 2) for q in (0.5, 0.95))
        texts.append(
            f"{name} half of the jobs that begin do within {half} h, 95 % within {most} h"
        )
    never = len(jobs) - len(hours["scenario"])
    left = f" {plural(never, 'job')} never began." if never else ""
    return f"{'; '.join(texts)}.{left}"


def _definition(kind: str) -> Any:
    import altair as alt

    lines = (
        alt.Chart(alt.NamedData(name=c.ROWS))
        .mark_line(interpolate="step-after", strokeWidth=2, point=alt.OverlayMarkDef(opacity=0))
        .encode(
            x=alt.X(
                f"{WAIT}:Q",
                title="waited, h (steps widen)",
                scale=alt.Scale(type="symlog", constant=0.1, nice=False),
                axis=alt.Axis(
                    format="~g", values=[0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 24, 48, 96, 168, 336]
                ),
            ),
            y=alt.Y("begun_percent:Q", title="begun, % of jobs", scale=alt.Scale(domain=[0, 100])),
            **c.both_runs(kind),
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip(f"{WAIT}:Q", title="waited, h", format=",.3~g"),
                alt.Tooltip("begun_percent:Q", title="begun, % of jobs", format=".1f"),
            ],
        )
    )
    return lines.properties(width=c.WIDTH, height=c.HEIGHT)
