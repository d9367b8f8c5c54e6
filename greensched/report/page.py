"""`report.html`: one page that opens from disk, asks nothing of the network and prints."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import escape_control
from greensched.report import heading
from greensched.report.charts import of_result
from greensched.report.charts.timeline import PICTURE_ROWS
from greensched.report.difference import Line, lines, result_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#595959;--paper:#fff;--rule:#d0d0d0;
--bad:#b00020;--box:#f5f5f5}
@media (prefers-color-scheme:dark){:root{--ink:#e8e8e8;--soft:#a8a8a8;--paper:#141414;
--rule:#444;--bad:#ff8a80;--box:#202020}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.5rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
.stamp{display:inline-block;border:1px solid var(--soft);color:var(--soft);border-radius:.3rem;
padding:0 .5rem;font-size:.85rem;margin:.4rem 0}
.lead{font-size:1.1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
caption{text-align:left;color:var(--soft);padding-bottom:.3rem}
th,td{padding:.22rem .7rem .22rem 0;text-align:right;border-bottom:1px solid var(--rule);
white-space:nowrap}
th:first-child,td:last-child,th:last-child{text-align:left}
tbody th{font-weight:400}tbody.group th[colspan]{font-weight:600;padding-top:.8rem}
tr.bad th,tr.bad td{color:var(--bad);font-weight:600}
figure{margin:1rem 0}figure svg{width:100%;height:auto;color:var(--ink)}
figcaption{color:var(--soft);font-size:.9rem}
pre{background:var(--box);padding:1rem;overflow-x:auto;font-size:.85rem}
dl{display:grid;grid-template-columns:minmax(0,max-content) minmax(0,1fr);gap:.2rem 1rem;margin:0}
dt{color:var(--soft);overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}
a:focus,summary:focus,.scroll:focus{outline:2px solid #0072B2;outline-offset:2px}
@media (max-width:40rem){dl{grid-template-columns:minmax(0,1fr)}dd{margin-bottom:.5rem}}
@media print{body{max-width:none;padding:0;font-size:11pt}figure,table{break-inside:avoid}
h2{break-after:avoid}
details{display:block}.scroll{overflow:visible}}
"""
ASSUMPTIONS: Final = (
    (
        "The result is a simulation of this demand on this fleet; nothing was measured while the "
        "scenario ran, and the model has not been calibrated against meters."
    ),
    (
        "Baseline and scenario see the same demand, are priced with the same factors and over the "
        "same time, until the last job of both has ended."
    ),
    "Scope 2 is location-based: facility energy times the grid's average intensity, hour by hour.",
    (
        "Embodied emissions are shared out over each machine's lifetime; a machine that is "
        "switched off avoids none of them."
    ),
    (
        "The latency factor is the modelled 99th percentile of response (M/M/c, or points that "
        "were measured) over the baseline's; batch slows services as far as the scenario says."
    ),
    (
        "Machines that sleep or are off draw the power that the scenario gives them: zero only "
        "where it says so."
    ),
)


def page(summary: Mapping[str, Any], series: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    """Return the page of a result; `manifest` is what repeats it."""
    name = _text(summary["name"])
    kind = summary["baseline"]["kind"]
    titles, outcomes = result_columns(summary)
    rows = lines(outcomes, currency=summary["currency"] or "", bounds=summary.get("bounds"))
    parts = [
        f"<header><h1>{_text(heading.headline(summary))}</h1>",
        f'<p class="stamp">{_text(heading.stamp(summary))}</p>',
        f'<p class="lead">{_text(heading.sentence(summary))}</p></header><main>',
        "<h2>Difference</h2>",
        _table(heading.question(summary), titles, rows),
        _list(heading.remarks(summary)),
        *_figures(summary, series),
        "<h2>What to know of the data</h2>",
        _list(heading.quality(summary) or ["Nothing was dropped, filled or sorted."]),
        "<h2>Assumptions</h2>",
        _list([f"Baseline {kind}: {summary['baseline']['text']}.", *ASSUMPTIONS]),
        "<h2>Provenance</h2>",
        _provenance(summary, manifest),
        (
            "<details><summary>The scenario</summary>"
            f"<pre>{escape(str(manifest.get('scenario', '')))}</pre></details></main>"
        ),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{name} – greensched</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _text(text: str) -> str:
    """Return `text` safe for HTML, control characters escaped."""
    return escape(escape_control(text))


def _table(title: str, titles: Sequence[str], rows: Sequence[Line]) -> str:
    """Return the difference table; a broken objective is marked by colour, weight and word."""
    bound = ["bound"] if any(row.bound for row in rows) else []
    heads = (*titles, f"Δ {titles[0]}", "%", *bound, "objective")
    head = "".join(f'<th scope="col">{_text(t)}</th>' for t in heads)
    body, group = "<tbody>", "fleet"
    for row in rows:
        if row.group != group:
            group = row.group
            body += (
                '</tbody><tbody class="group">'
                f'<tr><th scope="rowgroup" colspan="{len(heads) + 1}">{group}</th></tr>'
            )
        shown = (*row.cells, row.delta, row.percent, *(row.bound for _ in bound), row.verdict)
        cells = "".join(f"<td>{_text(c)}</td>" for c in shown)
        bad = ' class="bad"' if row.ok is False else ""
        body += f'<tr{bad}><th scope="row">{_text(row.label)}</th>{cells}</tr>'
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Difference table"><table>'
        f"<caption>{_text(title)}</caption><thead><tr><td></td>{head}</tr></thead>"
        f"{body}</tbody></table></div>"
    )


def _list(items: Sequence[str]) -> str:
    listed = "".join(f"<li>{_text(i)}</li>" for i in items if i)
    return f"<ul>{listed}</ul>" if listed else ""


def _figures(summary: Mapping[str, Any], series: pd.DataFrame) -> list[str]:
    """Return the charts, each with a heading, a caption and words that say what it shows."""
    drawn = of_result(summary, series, rows_max=PICTURE_ROWS)
    return [
        f'<h2 id="{name}">{_text(chart.title)}</h2><figure>'
        + _svg(chart.svg, chart.sees)
        + f"<figcaption>{_text(chart.caption)} {_text(chart.sees)}</figcaption></figure>"
        for name, chart in drawn.items()
        if name in ("tide", "power", "intensity")
    ]


def _svg(text: str, words: str) -> str:
    """Return a picture with words for it."""
    return text.replace("<svg ", f'<svg role="img" aria-label="{_text(words)}" ', 1)


def _provenance(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return what made the result, and how to make it again."""
    versions = ", ".join(f"{k} {v}" for k, v in manifest.get("versions", {}).items())
    facts = [
        ("to repeat", manifest.get("command", "")),
        ("scenario, SHA-256", summary["scenario_sha256"]),
        ("baseline", summary["baseline"]["id"]),
        ("seed", str(summary["seed"])),
        ("versions", versions),
        *((f"input {i['source']}", f"SHA-256 {i['sha256']}") for i in manifest.get("inputs", ())),
    ]
    return "<dl>" + "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in facts) + "</dl>"
