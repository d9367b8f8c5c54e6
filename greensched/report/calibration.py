"""A calibration as people read it: the model beside the meters, what was fitted, how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.errors import escape_control, plural
from greensched.report.tables import csv_text
from greensched.report.words import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greensched.experiment.calibrate import Calibration, Parameter, Quality

HOURLY_H: Final = 1.0
QUALITY: Final = ("on days held out", "measured kWh", "error", "bias", "", "calibrated", "bias")
PARAMETER: Final = ("value", "scenario", "fitted", "±", "limits", "")


def calibration_text(found: Calibration) -> str:
    """Return the calibration as text of at most 100 columns."""
    return "\n".join(escape_control(line).rstrip() for line in _lines(found)) + "\n"


def _lines(found: Calibration) -> Iterator[str]:
    yield f"{found.scenario.name}: as recorded beside {plural(found.total.meters, 'meter')}"
    yield (
        f"fitted on {plural(found.days_fitted, 'day')}, judged on"
        f" {plural(found.days_held_out, 'day')} held out (every third)"
    )
    yield ""
    yield from table([QUALITY, *(quality_row(one, found) for one in (*found.groups, found.total))])
    yield ""
    if found.is_fitted:
        yield from table([PARAMETER, *(parameter_row(one) for one in found.parameters)])
        yield "±: standard error as if readings were independent, at least so much"
    else:
        yield "nothing was fitted"
    yield "error: mean of |simulated / measured - 1| over " + _periods(found)
    yield from found.findings


def _periods(found: Calibration) -> str:
    """Return what the error is a mean over."""
    if all(g.period_h <= HOURLY_H for g in found.groups):
        return "hours"
    return "periods of " + ", ".join(f"{g.period_h:g} h ({g.label})" for g in found.groups)


def quality_row(one: Quality, found: Calibration) -> tuple[str, ...]:
    """Return a row of how far off one group is."""
    after = (_percent(one.mape_share), _signed(one.bias_share)) if found.is_fitted else ("", "")
    return (
        one.label,
        number(one.measured_kwh, 1),
        _percent(one.mape_before_share),
        _signed(one.bias_before_share),
        "->" if found.is_fitted else "",
        *after,
    )


def parameter_row(one: Parameter) -> tuple[str, ...]:
    """Return a row of one value of the model."""
    unit, digits = ("", 3) if one.quantity == "pue" else (" W", 1)
    limits = " .. ".join(number(x, digits) for x in one.limits)
    return (
        one.name,
        number(one.given, digits) + unit,
        number(one.fitted, digits) + unit if one.is_fitted else "held",
        number(one.standard_error, digits) if one.is_fitted else "",
        limits if one.is_fitted else "",
        "AT ITS LIMIT" if one.is_at_limit else "",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows in columns, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width
        ]
        yield "  ".join(cells).rstrip()


def calibration_csv(found: Calibration) -> str:
    """Return one row a meter and period: measured, simulated, calibrated."""
    columns = {
        name: [str(cell) for cell in column] if name.endswith("_utc") else list(column)
        for name, column in found.hours.items()
    }
    return csv_text(tuple(columns), list(zip(*columns.values(), strict=True)))


def overlay_text(values: dict[str, object], scenario: str) -> str:
    """Return an overlay as the YAML of its file."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 98
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    yaml.dump(values, out)
    return (
        "# Written by greensched calibrate. Use it with\n"
        f"#   greensched run {scenario} --overlay THIS-FILE\n" + out.getvalue()
    )
