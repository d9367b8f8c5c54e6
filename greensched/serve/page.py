"""The page as HTML, in sections that are sent anew when they change; templates escape."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import escape_control
from greensched.report.words import number
from greensched.serve import words
from greensched.serve.charts import drawn

if TYPE_CHECKING:
    from datetime import tzinfo

    from jinja2 import Environment

    from greensched.report.charts import Chart
    from greensched.serve.board import Board

SECTIONS: Final = ("alarms", "today", "intensity", "waits", "saved", "results", "places")


@cache
def _templates() -> Environment:
    """Return the templates; every value in them is escaped, control characters too."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("greensched.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {"number": number, "mass": words.mass, "iso": words.iso}
    return made


def _shown(value: Any) -> Any:
    """Return a text without control characters; what is HTML already stays as it is."""
    return escape_control(value) if type(value) is str else value


def sections(board: Board, made: dict[str, Chart], zone: tzinfo | None) -> dict[str, str]:
    """Return the HTML of each section; `made` are the board's charts."""
    given = {
        "board": board,
        "charts": made,
        "pictures": {name: drawn(chart) for name, chart in made.items()},
        "clock": lambda at_ms: words.clock(at_ms, board.at_ms, zone),
        "until": lambda at_ms: words.until(at_ms, board.at_ms),
    }
    return {name: _templates().get_template(f"{name}.html").render(given) for name in SECTIONS}


def whole(rendered: dict[str, str], version: str, at_ms: int) -> str:
    """Return the page of sections that were rendered."""
    given = {"sections": rendered, "version": version, "at_ms": at_ms}
    return _templates().get_template("page.html").render(given)


def plain(template: str, **given: Any) -> str:
    """Return a small page of its own: signing in, or what is wrong."""
    return _templates().get_template(template).render(given)
