"""The pages of `calibrate` and `verify`: model beside meters, prediction beside what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.errors import plural
from greensched.report import calibration, verification
from greensched.report.charts import chart as c
from greensched.report.page.document import document
from greensched.report.page.html import Section, figure, listed, paragraph, table, text
from greensched.report.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.experiment.calibrate import Calibration

COLOURS: Final = (c.GREY, c.RED, c.BLUE)


def calibration_page(found: Calibration) -> str:
    """Return the page of a calibration, of one file."""
    heads = ("on days held out", "measured kWh", "error", "bias", "", "calibrated", "bias")
    rows = [calibration.quality_row(g, found) for g in (*found.groups, found.total)]
    chart = _line_chart(
        name="meters",
        title="What meters read, and what the model says",
        sees=_calibration_sees(found),
        caption="Energy of each period, of all meters together.",
        data=_metered(found),
        lines=("measured", "simulated", "calibrated"),
    )
    values = [calibration.parameter_row(one) for one in found.parameters]
    refused = [str(finding) for finding in found.refused]
    sections = [
        Section(
            key="error",
            title="How far the model is off",
            parts=(table("Error and bias on days held out", heads, rows),),
        ),
        Section(key="hours", title="By the hour", parts=(figure(chart, heading=False),)),
        Section(
            key="values",
            title="What was fitted" if found.is_fitted else "Nothing was fitted",
            parts=(
                table("Values of the model", calibration.PARAMETER, values),
                listed([*refused, *found.findings]),
                paragraph("±: standard error as if readings were independent, at least so much"),
            ),
        ),
    ]
    header = _header(f"{found.scenario.name}: is the model right?", _calibration_sees(found))
    return document(f"{found.scenario.name}, calibration", header, sections, {"meters": chart})


def _calibration_sees(found: Calibration) -> str:
    """Return what there is to see, in one sentence."""
    days = plural(found.days_held_out, "day")
    before, after = (100 * x for x in (found.total.mape_before_share, found.total.mape_share))
    if not found.is_fitted:
        return f"On {days} held out the model is {number(before, 1)} % off; nothing was fitted."
    return (
        f"On {days} that the fit had not seen, the error fell from {number(before, 1)} % to"
        f" {number(after, 1)} %."
    )


def _metered(found: Calibration) -> Any:
    """Return the periods of all meters together: hour of the window, whose, kWh."""
    import pandas as pd

    frame = pd.DataFrame(found.hours)
    sums = frame.groupby("from_utc")[["measured_kwh", "simulated_kwh", "calibrated_kwh"]].sum()
    first = sums.index.min()
    hours = (sums.index - first) / pd.Timedelta("1h")
    names = [n.removesuffix("_kwh") for n in sums.columns]
    parts = [
        pd.DataFrame({"hour": hours, "which": name, "kwh": sums[f"{name}_kwh"].to_numpy()})
        for name in (names if found.is_fitted else names[:2])
    ]
    return pd.concat(parts, ignore_index=True)


def verification_page(
    told: Mapping[str, Any], hours: Mapping[str, Any], earlier: Sequence[float] = ()
) -> str:
    """Return the page of a verification, of one file."""
    sees = verification.sentence(told)
    chart = _line_chart(
        name="came",
        title="What was predicted, and what came",
        sees=sees,
        caption="Facility energy of each hour, of all sites.",
        data=_predicted(hours),
        lines=("predicted", "realised"),
    )
    before = [f"verified before: energy off by {100 * share:+.1f} %" for share in earlier]
    unknown = [*verification.unknown(told), *told["findings"], *before]
    why = verification.cause_rows(told)
    tables = (
        table("Difference", ("", *verification.HEADS), verification.figure_rows(told)),
        table("The difference by cause; parts sum exactly", verification.cause_heads(), why),
    )
    means = listed([f"{name}: {verification.MEANS[name]}" for name in told["effects"]])
    hourly = (figure(chart, heading=False), paragraph(verification.misses(hours)))
    sections = [
        Section(key="difference", title="Predicted and realised", parts=tables[:1]),
        Section(key="why", title="Why", parts=(tables[1], means)),
        Section(key="hours", title="By the hour", parts=hourly),
        Section(key="known", title="What was not known", parts=(listed(unknown),)),
    ]
    header = _header(f"{told['name']}: was it true?", sees)
    return document(f"{told['name']}, verification", header, sections, {"came": chart})


def _predicted(hours: Mapping[str, Any]) -> Any:
    """Return the hours as a row an hour and line."""
    import pandas as pd

    frame = pd.DataFrame(hours)
    lines = [
        pd.DataFrame({"hour": frame["hour"], "which": which, "kwh": frame[f"{which}_kwh"]})
        for which in ("predicted", "realised")
    ]
    return pd.concat(lines, ignore_index=True)


def _header(title: str, sentence: str) -> str:
    return f"<header><h1>{text(title)}</h1>{paragraph(sentence, 'lead')}</header>"


def _line_chart(
    *, name: str, title: str, sees: str, caption: str, data: Any, lines: Sequence[str]
) -> c.Chart:
    """Return a chart of energy by the hour, a line each."""
    import altair as alt

    scale = alt.Scale(domain=list(lines), range=list(COLOURS[-len(lines) :]))
    definition = (
        alt.Chart(alt.NamedData(name=c.ROWS))
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("hour:Q", title="hour"),
            y=alt.Y("kwh:Q", title="kWh"),
            color=alt.Color("which:N", title=None, scale=scale),
            tooltip=[
                alt.Tooltip("which:N"),
                alt.Tooltip("hour:Q"),
                alt.Tooltip("kwh:Q", format=",.2f"),
            ],
        )
        .properties(width=c.WIDTH, height=c.HEIGHT)
    )
    return c.Chart(
        name=name,
        title=title,
        sees=sees,
        caption=caption,
        data=data,
        definition=definition,
    )
