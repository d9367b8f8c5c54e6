"""The page, the charts and the folder of a result."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from greensched.errors import DataError, UsageError
from greensched.report.charts import of_result
from greensched.report.evidence import Evidence
from greensched.report.outputs import check_place, read_result, write_result
from greensched.report.page import page
from greensched.report.page.html import listed, paragraph
from greensched.serve.watch.result import ResultWatch
from tests.report_cases import MANIFEST, series, summary

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    *("summary.json", "manifest.json", "report.html"),
    *("series.parquet", "jobs.parquet", "entries.parquet", "parts.parquet", "factors.parquet"),
    "replicas.parquet",
}


FACTORS = pd.DataFrame(
    {
        "site": ["hz", "hz"],
        "machine_type": ["", ""],
        "factor_id": ["grid.csv:<b>CN</b>"] * 2,
        "factor_vintage": ["2023"] * 2,
        "quality": ["measured"] * 2,
        "quantity": ["intensity_g_per_kwh"] * 2,
        "value": [400.0, 600.0],
    }
)
SECTIONS = (
    *("Difference", "Where the saving comes from", "The tide: machines by what they do"),
    *("Power, carbon intensity, and what was moved", "Utilisation, before and after"),
    *("Service levels and the worst services", "Batch: waits and deadlines"),
    *("Emissions by scope", "How sure: sensitivity", "Bounds, and the share that was captured"),
    *("What to know of the data", "Assumptions and their sources", "Balance checks"),
    "Provenance",
)


@pytest.fixture(scope="module")
def html() -> str:
    """Return the page of the hand-made summary, one objective broken, a hostile name in it."""
    made = summary(factor=1.2)
    made["demand"]["findings"] = ['<img src=x onerror="alert(1)">']
    return page(Evidence(summary=made, manifest=MANIFEST, series=series(), factors=FACTORS))


class _Outline(HTMLParser):
    """Collects tags, headings, what would be fetched, and what is run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {"h2": [], "script": [], "style": []}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.elements.append((tag, values))
        self.fetched += [
            v or "" for k, v in attrs if k in ("src", "srcset", "data", "action", "poster")
        ]
        if tag in ("link", "image", "use"):
            self.fetched.append(values.get("href") or values.get("xlink:href") or "")
        is_data = values.get("type") == "application/json"
        self._open = tag if tag in self.text and not is_data else ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text[self._open].append(data)

    def handle_endtag(self, _tag: str) -> None:
        self._open = ""


def _outline(text: str) -> _Outline:
    parsed = _Outline()
    parsed.feed(text)
    return parsed


def test_page_fetches_nothing(html: str) -> None:
    """No element of the page and no rule of its style asks anything of the network."""
    found = _outline(html)
    assert [] == found.fetched
    assert set() == {"link", "iframe", "object", "img"} & set(found.tags)
    assert [] == re.findall(r"@import|url\(", "".join(found.text["style"]))


def test_policy_allows_its_own_scripts_and_nothing_else(html: str) -> None:
    """The policy names style and scripts by their hashes, and neither eval nor inline."""
    found = _outline(html)
    policy = next(v["content"] for tag, v in found.elements if v.get("http-equiv"))
    assert policy is not None
    named = set(re.findall(r"'sha256-[^']+'", policy))
    own = {"".join(found.text["style"]), *found.text["script"]}
    assert 3 == len(own)
    assert named == {
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in own
    }
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert all("style" not in v and "onclick" not in v for _, v in found.elements)


def test_every_section_has_its_heading(html: str) -> None:
    """Each section of a report stands under its own second heading, and contents lead to it."""
    found = _outline(html)
    assert list(SECTIONS) == found.text["h2"]
    ids = [v["id"] for tag, v in found.elements if tag == "h2"]
    links = [v["href"] for tag, v in found.elements if tag == "a" and v.get("href") != "#main"]
    assert [f"#{i}" for i in ids] == links[: len(ids)]


def test_page_escapes_what_it_is_given(html: str) -> None:
    """Names, findings, sources and the scenario cannot become markup."""
    assert "&lt;img src=x onerror=" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "grid.csv:&lt;b&gt;CN&lt;/b&gt;" in html


def test_hostile_names_cannot_end_what_they_stand_in() -> None:
    """A service named as the end of a script stays data: in definitions, in CSV and in words."""
    made = summary()
    name = "</script><script>alert(1)</script>"
    made["scenario"]["service"]["violation_min_by_service"] = {name: 9.0}
    text = page(Evidence(summary=made, manifest=MANIFEST, series=series()))
    assert 2 == _outline(text).tags.count("script") - 1
    assert "<script>alert(1)" not in text


def test_page_is_accessible(html: str) -> None:
    """Language, one first heading, captions, a way past the contents, words for every picture."""
    found = _outline(html)
    assert '<html lang="en">' in html
    assert 1 == found.tags.count("h1")
    assert 'class="skip" href="#main"' in html
    pictures = [v for _, v in found.elements if v.get("role") == "img"]
    assert 7 == len(pictures) == found.tags.count("figure")
    assert all(len(v["aria-label"] or "") > 30 for v in pictures)
    assert found.tags.count("table") == found.tags.count("caption")
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_page_says_what_the_table_says(html: str) -> None:
    """The page has stamp, sentence, a broken objective marked, assumptions and provenance."""
    for text in (
        *("synthetic · modelled · uncalibrated", "this fleet, from Monday"),
        *("but breaks the latency objective", "limit 1.10 VIOLATED", '<tr class="bad">'),
        *("2 of 3 objectives held", "greensched run tidal-week.yaml", "d" * 64, "a" * 64),
        *("carbon intensity, g/kWh", "400 .. 600"),
    ):
        assert text in html


def test_ids_are_unique(html: str) -> None:
    """Every id on the page is there once."""
    ids = [v["id"] for _, v in _outline(html).elements if "id" in v]
    assert len(ids) == len(set(ids))


def test_data_of_a_chart_are_a_link(html: str) -> None:
    """What the link of a chart holds is its CSV, to the byte."""
    chart = of_result(summary(factor=1.2), series())["power"]
    link = next(v for _, v in _outline(html).elements if v.get("id") == "csv-power")
    head, _, body = (link["href"] or "").partition(",")
    assert "data:text/csv;charset=utf-8" == head
    assert chart.csv == unquote(body)
    assert "power.csv" == link["download"]


def test_no_line_is_broken_before_a_unit() -> None:
    """In prose a number keeps its unit beside it; other words may part."""
    kept = "(79\N{NO-BREAK SPACE}%) of 5\N{NO-BREAK SPACE}kWh by 3 testers"
    assert f"<p>{kept}</p>" == paragraph("(79 %) of 5 kWh by 3 testers")
    assert f"<ul><li>{kept}</li></ul>" == listed(["(79 %) of 5 kWh by 3 testers"])


def test_headline_has_its_range() -> None:
    """With a sensitivity the headline and a card say between what the saving lies."""
    figures = {"least": 700.0, "mid": 924.0, "most": 1100.0}
    axis = {"setting": "x", "values": {"savings.scope2_and_embodied_kg": 900.0}}
    told = {
        "figures": dict.fromkeys(
            ("savings.scope2_location_kg", "savings.scope2_and_embodied_kg"), figures
        ),
        "axes": [{"name": "PUE", "basis": "assumed", "low": axis, "high": axis}],
    }
    given = Evidence(summary=summary(), manifest=MANIFEST, series=series(), sensitivity=told)
    text = page(given)
    assert (
        "Between 0.70 and 1.10\N{NO-BREAK SPACE}tCO2e are saved with PUE from low to high" in text
    )
    assert '<dd class="figure">0.70 .. 1.10 tCO2e saved</dd>' in text
    assert "between 0.70 and 1.10; it stays a saving" in text


def test_year_of_five_minutes_stays_small() -> None:
    """A year of five-minute intervals makes a page of at most 5 MB, and says what was left out."""
    rows = 105_120
    numbers = np.random.default_rng(7)
    hours = series(2)
    frames = []
    for run in ("baseline", "scenario"):
        one = pd.DataFrame(np.repeat(hours.iloc[[0]].to_numpy(), rows, axis=0))
        one.columns = hours.columns
        one = one.astype(hours.dtypes.to_dict())
        one["run"] = run
        one["time_utc"] = np.datetime64("2023-01-01", "ms") + 300_000 * np.arange(rows)
        one["interval_s"] = 300.0
        for name in one.columns[3:]:
            one[name] = numbers.uniform(0.0, 1e5, rows)
        frames.append(one)
    text = page(Evidence(summary=summary(), manifest=MANIFEST, series=pd.concat(frames)))
    assert 5_000_000 > len(text.encode())
    assert "so that peaks stay" in text


def _result(made: dict[str, Any], jobs: Any = None) -> Any:
    """Return what stands for a Result."""
    jobs = pd.DataFrame({"job": ["a", "b"], "submit_s": [0.0, 1.0]}) if jobs is None else jobs
    scenario = SimpleNamespace(
        name=made["name"],
        hash=made["scenario_sha256"],
        seed=made["seed"],
        text="name: tidal-week\n",
        spec=SimpleNamespace(
            window=SimpleNamespace(start=pd.Timestamp("2023-03-06T00:00:00+08:00"))
        ),
    )
    return SimpleNamespace(
        bounds=None,
        sizing=None,
        summary=made,
        series=series(),
        jobs=jobs,
        entries=pd.DataFrame({"run": ["baseline"], "energy_it_mwh": [5]}),
        parts=pd.DataFrame({"run": ["baseline"], "value": [1.0]}),
        replicas=pd.DataFrame({"service": ["shop"], "replicas_max": [1.0]}),
        factors=FACTORS,
        scenario=scenario,
        shared=SimpleNamespace(checksums={"jobs.csv": "d" * 64}),
    )


VERIFIED = {
    "scenario_sha256": "a" * 64,
    "energy_error_share": 0.034,
    "effects": {
        name: {"energy_facility_kwh": kwh} for name, kwh in (("load", 3.0), ("model", -9.0))
    },
}


def test_pages_of_calibrate_and_verify_are_in_the_report(tmp_path: Path) -> None:
    """The report links to calibration and verifications, and in the control centre to neither."""
    made = summary()
    made["stamp"]["calibration"] = "calibrated, MAPE 3.1 %"
    kept = tmp_path / "week 1-verified"
    kept.mkdir()
    other = VERIFIED | {"scenario_sha256": "b" * 64}
    for name, told in (("001", VERIFIED), ("002", other)):
        (kept / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
    folder = tmp_path / "week 1"
    write_result(_result(made), folder, command="x", page=page, calibration="<html>")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert page(read_result(folder).evidence) == text
    assert "fitted to meters; on days held out: calibrated, MAPE 3.1\N{NO-BREAK SPACE}%" in text
    assert ["calibration.html", "../week%201-verified/001.html"] == re.findall(
        r'<li><a href="([^"#]+)"', text
    )
    assert "3.4 % above what was predicted; most of it is model" in text
    assert "calibration.html" in read_result(folder).manifest["outputs"]
    assert [] == re.findall(r'<li><a href="([^"#]+)"', ResultWatch(folder).page())


def test_damaged_verification_is_named(tmp_path: Path) -> None:
    """A verification that cannot be read is a finding with its path, and nothing is written."""
    (tmp_path / "r-verified").mkdir()
    (tmp_path / "r-verified" / "001.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"001\.json.*damaged"):
        write_result(_result(summary()), tmp_path / "r", command="x", page=page)
    assert not (tmp_path / "r").exists()


def test_result_is_written_and_read_back(tmp_path: Path) -> None:
    """All files are there, and what is read back is what was written."""
    folder = tmp_path / "a" / "result"
    write_result(_result(summary()), folder, command="greensched demo", page=page)
    assert {p.name for p in folder.iterdir()} == FILES
    stored = read_result(folder)
    assert summary() == stored.summary
    assert "greensched demo" == stored.manifest["command"]
    assert ["a", "b"] == stored.table("jobs")["job"].tolist()
    assert [p.name for p in folder.parent.iterdir()] == ["result"]


def test_earlier_result_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    """A result's own files are replaced, a user's among them stay; other folders are refused."""
    folder = tmp_path / "result"
    write_result(_result(summary()), folder, command="one", page=page)
    for name in ("my-notes.txt", "per-year.json", "tide.svg"):
        (folder / name).write_text("mine", encoding="utf-8")
    (folder / "paper" / "empty").mkdir(parents=True)
    (folder / "paper" / "draft.tex").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    write_result(_result(summary()), tmp_path / "link", command="two", page=page)
    assert {*FILES, "my-notes.txt", "paper"} == {p.name for p in folder.iterdir()}
    assert {"draft.tex", "empty"} == {p.name for p in (folder / "paper").iterdir()}
    assert {"result", "link"} == {p.name for p in tmp_path.iterdir()}
    assert "two" == read_result(folder).manifest["command"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is not a result"):
        check_place(other)
    with pytest.raises(UsageError, match="is not a result"):
        write_result(_result(summary()), other, command="", page=page)
    assert "mine" == (other / "chapter.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_interrupted_writing_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    """Stopped while it writes, the earlier result stays whole and no part is left."""
    folder = tmp_path / "result"
    write_result(_result(summary()), folder, command="one", page=page)

    def stopped(*_: object) -> str:
        raise error

    with pytest.raises(error):
        write_result(_result(summary()), folder, command="two", page=stopped)
    assert "one" == read_result(folder).manifest["command"]
    assert ["result"] == [p.name for p in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("file", "text", "match"),
    [
        ("summary.json", None, "not a folder of results"),
        ("summary.json", "{", "damaged"),
        ("summary.json", '{"schema": "other"}', "schema 'other'"),
        ("manifest.json", "[", "damaged"),
    ],
)
def test_damaged_result_is_refused(
    tmp_path: Path, file: str, text: str | None, match: str
) -> None:
    """A folder that is no result, or a damaged one, is a finding and not a traceback."""
    (tmp_path / "summary.json").write_text(json.dumps(summary()), encoding="utf-8")
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    read_result(tmp_path)
    if text is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=match):
        read_result(tmp_path)
