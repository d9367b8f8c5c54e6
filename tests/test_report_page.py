"""The page, the charts and the folder of a result."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from greensched.errors import DataError, UsageError
from greensched.report.outputs import check_place, read_result, write_result
from greensched.report.page import page
from tests.report_cases import MANIFEST, series, summary

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    *("summary.json", "manifest.json", "report.html"),
    *("series.parquet", "jobs.parquet", "entries.parquet", "parts.parquet", "factors.parquet"),
}


@pytest.fixture(scope="module")
def html() -> str:
    """Return the page of the hand-made summary, one objective broken, a hostile name in it."""
    made = summary(factor=1.2)
    made["demand"]["findings"] = ['<img src=x onerror="alert(1)">']
    return page(made, series(), MANIFEST)


class _Outline(HTMLParser):
    """Collects tags, headings and what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.fetched += [
            v or "" for k, v in attrs if k in ("src", "srcset", "data", "action", "poster")
        ]
        if tag in ("link", "image", "use"):
            self.fetched.append(values.get("href") or values.get("xlink:href") or "")
        if tag == "svg":
            self.images.append(values)


def _outline(text: str) -> _Outline:
    parsed = _Outline()
    parsed.feed(text)
    return parsed


def test_page_fetches_nothing_and_runs_nothing(html: str) -> None:
    """The page needs no script and asks nothing of the network."""
    found = _outline(html)
    assert [] == found.fetched
    assert set() == {"script", "link", "iframe", "object", "img"} & set(found.tags)
    assert [] == re.findall(r"@import|url\((?!#)", html)


def test_page_escapes_what_it_is_given(html: str) -> None:
    """Names and findings cannot become markup."""
    assert "&lt;img src=x onerror=" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_page_is_accessible(html: str) -> None:
    """Language, one first heading, table headers, captions and words for every picture."""
    found = _outline(html)
    assert '<html lang="en">' in html
    assert 1 == found.tags.count("h1")
    assert 3 == len(found.images)
    assert all(i["role"] == "img" and len(i["aria-label"] or "") > 30 for i in found.images)
    assert 3 == found.tags.count("figcaption")
    assert 1 == found.tags.count("caption")
    assert html.count('scope="col"') == 6
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html


def test_page_says_what_the_table_says(html: str) -> None:
    """The page has stamp, sentence, a broken objective marked, assumptions and provenance."""
    for text in (
        *("synthetic · modelled · uncalibrated", "this fleet, from Monday"),
        *("but breaks the latency objective", "limit 1.10 VIOLATED", '<tr class="bad">'),
        *("Assumptions", "greensched run tidal-week.yaml", "d" * 64, "a" * 64),
    ):
        assert text in html


def test_ids_of_charts_do_not_collide(html: str) -> None:
    """Every id on the page is there once, and every reference leads to one."""
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


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
    work = SimpleNamespace(checksums=(("jobs.csv", "d" * 64),))
    return SimpleNamespace(
        bounds=None,
        sizing=None,
        summary=made,
        series=series(),
        jobs=jobs,
        entries=pd.DataFrame({"run": ["baseline"], "energy_it_mwh": [5]}),
        parts=pd.DataFrame({"run": ["baseline"], "value": [1.0]}),
        factors=pd.DataFrame({"quantity": ["pue"], "value": [1.2]}),
        scenario=scenario,
        shared=SimpleNamespace(workload=work),
    )


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
    """A result is replaced as a whole; a folder of other things is refused and kept."""
    folder = tmp_path / "result"
    write_result(_result(summary()), folder, command="one", page=page)
    (folder / "stale.txt").write_text("x", encoding="utf-8")
    write_result(_result(summary()), folder, command="two", page=page)
    assert {p.name for p in folder.iterdir()} == FILES
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
