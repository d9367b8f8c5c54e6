"""`Chart`: one definition, and with it its words, its data, and the forms it is drawn in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from greensched.report.tables import csv_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

HOVER: Final = "hover"  # layers of this name only answer to a pointer
ROWS: Final = "rows"  # the name by which definitions know their data
TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
DIGITS: Final = 6  # significant, of numbers as data
WIDTH, HEIGHT = 860, 300  # of a picture; a page gives it the width that it has
PNG_SCALE: Final = 2
# Told apart by the colour-blind: Okabe, Ito (2008), "Color universal design".
BLUE, GREEN, ORANGE = "#0072B2", "#009E73", "#E69F00"
PURPLE, SKY, RED, YELLOW = "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"
GREY, PALE = "#8A8A8A", "#C4C4C4"
BASELINE, SCENARIO = RED, BLUE
INK: Final = "currentColor"  # the page's own colour of text, dark or light
CONFIG: Final[dict[str, Any]] = {
    "background": "transparent",
    "aria": False,  # a chart has one label in words; marks by the thousand would bury it
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **dict.fromkeys(("labelColor", "titleColor", "domainColor", "tickColor"), INK),
        "gridColor": "#808080",
        "gridOpacity": 0.25,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 240,
    },
    "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 13},
    "title": {"color": INK},
    "legend": {
        **dict.fromkeys(("labelColor", "titleColor"), INK),
        "orient": "top",
        "labelFontSize": 12,
        "labelLimit": 320,
        "title": None,
    },
}
# Of pictures: who draws them measures words by another font than shows them.
APART: Final[dict[str, dict[str, Any]]] = {
    "axis": {"labelSeparation": 14},
    "legend": {"columnPadding": 24},
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chart:
    """A chart: what it shows in words, its data, and an altair definition over named data.

    `sees` says what there is to see, in figures of the data; `caption` how to read it. Columns of
    times hold local time as naive timestamps. `style` goes before what all charts have of it.
    """

    name: str
    title: str
    sees: str
    caption: str
    data: pd.DataFrame
    definition: Any
    style: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def spec(self) -> dict[str, Any]:
        """Return the definition in Vega-Lite; its data are left for the page to give."""
        return self._styled(self.style)

    def _styled(self, style: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = self.definition.to_dict(validate=False)
        made["config"] = CONFIG | {part: CONFIG[part] | own for part, own in style.items()}
        return made

    @property
    def parse(self) -> dict[str, str]:
        """Return by column how Vega is to read its text."""
        kinds = {"M": f"utc:'{TIME_FORMAT}'", "f": "number", "i": "number", "u": "number"}
        return {
            str(name): kinds.get(dtype.kind, "string") for name, dtype in self.data.dtypes.items()
        }

    @property
    def csv(self) -> str:
        """Return the data as CSV, each column with its unit in its name."""
        head, *rows = self.rows
        return csv_text(head, rows)

    @property
    def rows(self) -> list[list[Any]]:
        """Return the names of the columns, and below them the data as they are written."""
        return [[str(c) for c in self.data.columns], *_cells(self.data)]

    @property
    def altair(self) -> Any:
        """Return the chart as altair draws it in a notebook, data and all."""
        import altair as alt

        made = self.definition.copy(deep=False)
        form: Any = alt.JsonDataFormat(type="json", parse=self.parse)
        made.data = alt.InlineData(values=self._records, format=form)
        return made

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> Any:
        """Show the chart where a notebook ends in it."""
        return self.altair._repr_mimebundle_(*args, **kwargs)

    @property
    def svg(self) -> str:
        """Return the chart as a picture whose text takes the colour of its surroundings."""
        import vl_convert

        return _own(vl_convert.vegalite_to_svg(self._filled), self.name)

    @property
    def png(self) -> bytes:
        """Return the chart as a picture on white."""
        import vl_convert

        spec = self._filled
        spec["config"] = {**spec["config"], "background": "white"}
        drawn: bytes = vl_convert.vegalite_to_png(spec, scale=PNG_SCALE)
        return drawn

    @property
    def _records(self) -> list[dict[str, Any]]:
        head, *rows = self.rows
        return [dict(zip(head, row, strict=True)) for row in rows]

    @property
    def _filled(self) -> dict[str, Any]:
        """Return the definition with its data, less what only a pointer can find."""
        spec = self._styled({part: own | self.style.get(part, {}) for part, own in APART.items()})
        parse = {"type": "json", "parse": self.parse}
        spec["data"] = {"values": self._records, "format": parse}
        if "layer" in spec:
            spec["layer"] = [one for one in spec["layer"] if one.get("name") != HOVER]
        return spec


def both_runs(kind: str) -> dict[str, Any]:
    """Return how lines tell the baseline `kind` from the scenario: by colour, and by dashes."""
    import altair as alt

    names = [kind, "scenario"]
    colours = alt.Scale(domain=names, range=[BASELINE, SCENARIO])
    dashes = alt.Scale(domain=names, range=[[5, 3], [1, 0]])
    return {
        "color": alt.Color("run:N", title=None, scale=colours),
        "strokeDash": alt.StrokeDash("run:N", title=None, scale=dashes),
    }


def room(begin: str, end: str, where: str = "true") -> Any:
    """Return an unseen layer that keeps room for words to the right of bars."""
    import altair as alt

    return (
        alt.Chart()
        .transform_filter(where)
        .transform_joinaggregate(least=f"min({begin})", low=f"min({end})", most=f"max({begin})")
        .transform_joinaggregate(high=f"max({end})")
        .transform_calculate(
            # as a share of what is drawn, of which a narrow page leaves less to each pixel
            room="max(datum.most, datum.high) + max(0.1, 64 / max(64, width - 64))"
            " * (max(datum.most, datum.high) - min(datum.least, datum.low))"
        )
        .mark_point(opacity=0)
        .encode(x=alt.X("room:Q"))
    )


def _own(svg: str, name: str) -> str:
    """Return a picture with ids of its own, whatever was drawn before it, and no roles."""
    svg = re.sub(r' (aria-[a-z]+|role)="[^"]*"', "", svg)
    ids = dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))
    numbers = {old: f"{name}-{i}" for i, old in enumerate(ids)}
    svg = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{numbers[m[1]]}"', svg)
    return re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{numbers[m[1]]})", svg)


def _cells(data: pd.DataFrame) -> list[list[Any]]:
    """Return the rows as they are written: times as text, numbers with `DIGITS` digits."""
    columns = [_column(data[name]) for name in data.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _column(values: pd.Series[Any]) -> list[Any]:
    if values.dtype.kind == "M":
        return list(values.dt.strftime(TIME_FORMAT))
    if values.dtype.kind == "f":
        return [None if v != v else _short(v) for v in values.tolist()]  # noqa: PLR0124 NaN
    return values.tolist()


def _short(value: float) -> float | int:
    """Return `value` with `DIGITS` significant digits, whole where it is."""
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded
