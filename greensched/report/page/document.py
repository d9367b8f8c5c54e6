"""The shell of every page: one file, no request, a policy that runs only its own scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from greensched.report.page.html import Section, text
from greensched.report.page.vega import script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from greensched.report.charts import Chart


def document(
    title: str, header: str, sections: Sequence[Section], charts: Mapping[str, Chart]
) -> str:
    """Return a page: `header` (HTML with its `h1`), then each section under its `h2`.

    `charts` are those that stand in the sections, by name.
    """
    style, own = (_asset(f"page.{kind}") for kind in ("css", "js"))
    scripts = [script(), own] if charts else []
    links = "".join(f'<li><a href="#{s.key}">{text(s.title)}</a></li>' for s in sections)
    body = "".join(
        f'<section aria-labelledby="{s.key}"><h2 id="{s.key}">{text(s.title)}</h2>'
        f"{''.join(s.parts)}</section>\n"
        for s in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy([style], scripts)}">'
        f"<title>{text(title)} – greensched</title><style>{style}</style></head><body>\n"
        '<a class="skip" href="#main">Skip to the report</a>\n'
        f'<div class="frame"><nav class="contents" aria-label="Contents"><ul>{links}</ul></nav>\n'
        f'<main class="page" id="main" tabindex="-1">{header}\n{body}{_no_scripts(charts)}'
        f"</main></div>\n{_data(charts)}"
        + "".join(f"<script>{one}</script>\n" for one in scripts)
        + "</body></html>\n"
    )


def policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """Return the Content-Security-Policy: what is named by its hash, and nothing else."""
    style = " ".join(_hash(one) for one in styles)
    code = " ".join(_hash(one) for one in scripts) or "'none'"
    return (
        f"default-src 'none'; style-src {style}; script-src {code}; base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _asset(name: str) -> str:
    """Return a file that ships beside this module."""
    return (files("greensched.report.page") / name).read_text(encoding="utf-8")


def _no_scripts(charts: Mapping[str, Chart]) -> str:
    if not charts:
        return ""
    return (
        '<noscript><p class="note">Charts are drawn by scripts, which are off: their sentences, '
        "tables and data are here all the same, and <code>greensched report RESULT --svg</code> "
        "writes them as pictures.</p></noscript>"
    )


def _data(charts: Mapping[str, Chart]) -> str:
    """Return the definitions of the charts, for the page's script; `<` cannot end the element."""
    if not charts:
        return ""
    told: dict[str, Any] = {}
    for name, chart in charts.items():
        spec = chart.spec
        params = {p["name"] for p in spec.get("params", ())}
        told[name] = {"spec": spec, "parse": chart.parse, "overTime": "from_ms" in params}
    plain = json.dumps(told, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="charts">{plain}</script>\n'
