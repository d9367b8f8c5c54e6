"""Demand at the edge of what is usual: nothing at all, and always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import greensched as gs
from greensched.errors import ScenarioError
from greensched.experiment.size import size
from greensched.report import heading
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path


def write_load(folder: Path, loads_cpu_m: tuple[int, ...], history_days: int = 0) -> Path:
    """Write the small scenario with services of steady loads and no jobs; return its path."""
    path = write_scenario(folder)
    text = path.read_text(encoding="utf-8").replace("  jobs: {file: jobs.csv}\n", "")
    path.write_text(f"{text}history: {{days: {history_days}}}\n", encoding="utf-8")
    rows = [
        f"s{i},{300 * step},{load},2000,2048"
        for i, load in enumerate(loads_cpu_m)
        for step in range(-288 * history_days, 288)
    ]
    head = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
    (folder / "services.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("policies", ["[{kind: elastic}]", "[{kind: elastic-reactive}]", "[]"])
def test_a_run_without_any_load_has_its_page(tmp_path: Path, policies: str) -> None:
    """Services that nobody asks anything are told in table and page as any others."""
    path = write_load(tmp_path, (0, 0))
    text = path.read_text(encoding="utf-8").replace("[{kind: elastic}]", policies)
    path.write_text(text, encoding="utf-8")
    told = call("run", path, "--out", tmp_path / "r", "--no-sizing", "-q")
    assert 0 == told.exit_code, told.stderr
    assert (tmp_path / "r" / "report.html").is_file()


@pytest.mark.parametrize("days", [9, 14, 28])
def test_a_steady_load_is_within_its_band(tmp_path: Path, days: int) -> None:
    """Rounding puts nothing above a band of no width, in the score or in what is trusted."""
    path = write_load(tmp_path, (12_345, 99_999, 4_321, 7_777), days)
    found = gs.run(gs.load(path), bounds=False).summary["forecasts"]["services"]
    assert 0 == pytest.approx(found["each"]["error_share"], abs=1e-9)
    assert [1.0, 1.0] == [found["each"][k] for k in ("coverage_share", "coverage_worst_share")]


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ({"quantile": 1.0}, "1.0 is no quantile between 0.5 and 0.999"),
        ({"quantile": 0.3}, "0.3 is no quantile"),
        ({"hold": "30 h"}, r"hold: .*more than 24 h ahead; there are no bands for it"),
        ({"lead": "400 d"}, r"lead: .*more than 24 h ahead"),
        ({"plan_period": "24 h"}, r"plan_period: .*more than 24 h ahead"),
    ],
)
def test_what_no_forecast_reaches_is_refused(
    tmp_path: Path, setting: dict[str, Any], what: str
) -> None:
    """Settings of `elastic` beyond its bands are an error of the scenario, not of a run."""
    path = write_load(tmp_path, (5_000,))
    with pytest.raises(ScenarioError, match=what):
        gs.load(path).with_(policies=[{"kind": "elastic", **setting}])


def test_savings_at_unequal_service_say_so(tmp_path: Path) -> None:
    """Where the baseline leaves jobs undone that the scenario does, sentence and notes tell it."""
    path = write_scenario(tmp_path)
    text = path.read_text(encoding="utf-8").replace("count: 8", "count: 3")
    text = text.replace("kind: autoscaled}", "kind: static-peak}")
    path.write_text(text.replace("[{kind: elastic}]", "[{kind: colocation}]"), encoding="utf-8")
    summary = gs.run(gs.load(path), bounds=False).summary
    left = [summary[run]["batch"]["unfinished"] for run in ("baseline", "scenario")]
    assert left == [40, 0]
    told = heading.unequal(summary)
    assert "of 40 jobs 40 are unfinished under static-peak and 0 under the scenario" in told
    assert told in heading.remarks(summary)
    assert "not at equal service" in heading.sentence(summary)
    cut = {**summary["window"], "end_s": summary["window"]["length_s"]}
    assert not heading.unequal({**summary, "window": cut})
    same = {**summary, "scenario": summary["baseline"]}
    assert not heading.unequal(same)
    assert "equal service" not in " ".join(heading.remarks(same))


def test_work_that_services_lack_is_no_equal_service(tmp_path: Path) -> None:
    """Where nothing is served nothing is saved: sentence, notes and the page's card say so."""
    path = write_load(tmp_path, (5_000, 9_000))
    text = path.read_text(encoding="utf-8").replace("latency_factor_p99: 2.0, ", "")
    path.write_text(text.replace("slo: {", "slo: {latency_factor_p99: 2.0, "), encoding="utf-8")
    words = ("--set", "pools.server.serve=0", "--set", "pools.server.compute=2", "--no-sizing")
    told = call("run", path, *words, "--no-attribution", "--out", tmp_path / "r", "-o", "md")
    assert 0 == told.exit_code, told.stderr
    assert "NOT AT EQUAL SERVICE: services lack 0.0 % of their work under autoscaled and" in (
        told.stdout
    )
    assert "100.0 % under the scenario" in told.stdout
    assert "with the latency objective not judged. This is not at equal service." in told.stdout
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "Not judged: the latency objective." in page


def test_a_stated_limit_says_what_service_is_equal(tmp_path: Path) -> None:
    """A shortage within the objective is the same service; without one a thousandth is."""
    summary = gs.run(gs.load(write_load(tmp_path, (5_000, 9_000))), bounds=False).summary
    for limit, short, unlike in (
        (None, 0.0009, False),
        (None, 0.0011, True),
        (0.05, 0.04, False),
        (0.05, 0.06, True),
    ):
        own = {**summary["scenario"]["service"], "shortage_share": short}
        own["shortage_share_limit"] = limit
        changed = {**summary, "scenario": {**summary["scenario"], "service": own}}
        assert unlike == bool(heading.unequal(changed))


def test_a_window_without_jobs_is_as_without_a_trace_of_jobs(tmp_path: Path) -> None:
    """Nobody waits too long where nobody comes: the sizes are those of the services."""
    path = write_scenario(tmp_path)
    text = path.read_text(encoding="utf-8").replace("deadline_miss: 0.5", "batch_wait_p95: 1 h")
    path.write_text(text, encoding="utf-8")
    none = text.replace("jobs.csv}", "jobs.csv, from: 30 d}")
    without = text.replace("  jobs: {file: jobs.csv}\n", "")
    sizes = []
    path.write_text(none, encoding="utf-8")
    told = "none of the trace's 40 jobs is submitted within the window: 'from:' moves them"
    assert told in call("validate", path).stdout
    for part in (none, without):
        path.write_text(part, encoding="utf-8")
        sizes.append(size(gs.load(path)).needed)
    assert None not in sizes[0].values()
    assert sizes[0] == sizes[1]


def test_a_scenario_without_a_machine_on_has_its_page(tmp_path: Path) -> None:
    """Where no machine of one run is ever on there is no use to draw, and all else is told."""
    path = write_load(tmp_path, (5_000, 9_000))
    words = ("--set", "pools.server.serve=0", "--set", "pools.server.compute=0", "--no-sizing")
    told = call("run", path, *words, "--out", tmp_path / "r", "--no-attribution", "-q")
    assert 0 == told.exit_code, told.stderr
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "How full the machines are" not in page
