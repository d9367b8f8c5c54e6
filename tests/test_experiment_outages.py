"""Outages in a result: what is told of them, spare machines, sizes, the same without failures."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import greensched as gs
from greensched.experiment.spare import out_at_once, spares
from greensched.experiment.world import Shared, shared
from greensched.model import Outages, merged
from greensched.report.schema import summary_schema
from greensched.report.terminal import result_text
from tests.conftest import ROOT
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment import Result
    from greensched.scenario import Scenario

FAILURES = """\
failures:
  machines: {mtbf: 2 d, mttr: 2 h}
"""


def struck(folder: Path) -> Scenario:
    """Return the small scenario with failures."""
    path = write_scenario(folder)
    path.write_text(path.read_text(encoding="utf-8") + FAILURES, encoding="utf-8")
    return gs.load(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One scenario with its failures, and without."""

    scenario: Scenario
    result: Result
    without: Result


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return the results of the small scenario."""
    told = struck(tmp_path_factory.mktemp("outages"))
    off = told.overridden({"failures.enabled": False})
    return Ran(scenario=told, result=gs.run(told), without=gs.run(off))


def test_a_summary_tells_of_outages(ran: Ran) -> None:
    """Each run has what outages did, as the reference says; without failures it is null."""
    from jsonschema import Draft202012Validator

    text = (ROOT / "docs/reference/outages.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([^`]+)` \|", text.split("## In the result")[1], re.MULTILINE)
    for name in ("baseline", "static_peak", "scenario"):
        assert documented == list(ran.result.summary[name]["outages"])
        assert ran.without.summary[name]["outages"] is None
    for one in (ran.result, ran.without):
        assert [] == list(Draft202012Validator(summary_schema()).iter_errors(one.summary))


def test_the_runs_of_a_result_meet_the_same_failures(ran: Ran) -> None:
    """Scenario and baseline have as many machines out, as long, at once."""
    alike = ("outages", "machines_peak", "machine_h")
    told = [ran.result.summary[name]["outages"] for name in ("baseline", "scenario")]
    assert [told[0][k] for k in alike] == [told[1][k] for k in alike]
    assert told[0]["outages"] > 0
    hours = ran.result.summary["scenario"]["machine_h"]["out"]
    assert told[1]["machine_h"] == pytest.approx(hours)


def test_drawn_failures_make_a_result_synthetic_and_are_told(ran: Ran) -> None:
    """The stamp and the data quality say that failures were drawn, and by which law."""
    assert "synthetic" == ran.result.summary["stamp"]["data"]
    findings = ran.result.summary["demand"]["findings"]
    assert any("drawn (exponential, mtbf 2 d, mttr 2 h)" in text for text in findings)


def test_short_times_between_failures_are_told_in_hours(tmp_path: Path) -> None:
    """A mean time of less than a day is told in hours, not as a part of a day."""
    path = write_scenario(tmp_path)
    law = "failures: {machines: {mtbf: 90 min, mttr: 30 min}}\n"
    path.write_text(path.read_text(encoding="utf-8") + law, encoding="utf-8")
    findings = shared(gs.load(path)).workload.findings
    assert any("mtbf 1.5 h, mttr 0.5 h)" in text for text in findings)


def test_the_table_has_rows_of_outages_where_there_are_any(ran: Ran) -> None:
    """Machines out at once stand in the table of a scenario with failures, else nothing does."""
    assert "machines out at once, peak" in result_text(ran.result.summary, columns=100)
    assert "outages" not in result_text(ran.without.summary, columns=100)
    assert "out at once" not in result_text(ran.without.summary, columns=100)


def test_spare_machines_stand_beside_the_saving(ran: Ran) -> None:
    """Every run tells how many machines it keeps for outages, in the table as in the findings."""
    runs = [ran.result.summary[name] for name in ("baseline", "static_peak", "scenario")]
    spare = {run["outages"]["machines_spare"] for run in runs}
    findings = ran.result.summary["demand"]["findings"]
    told = [text.split(" machines")[0] for text in findings if " are spare, " in text]
    assert [str(n) for n in spare] == told
    assert "of those on, spare for that" in result_text(ran.result.summary, columns=100)
    assert "spare for that" not in result_text(ran.without.summary, columns=100)


def test_a_site_is_drained_or_not_by_a_switch(tmp_path: Path) -> None:
    """Maintenance that is not enabled is none: the same hash as without it, and nothing is out."""
    path = write_scenario(tmp_path)
    plain = gs.load(path)
    site = plain.spec.sites[0].name
    begin, end = (plain.spec.window.start + timedelta(hours=h) for h in (1, 3))
    entry = f"{{site: {site}, from: {begin.isoformat()}, until: {end.isoformat()}}}"
    text = f"maintenance:\n  - {entry}\n"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
    drained = gs.load(path)
    kept = drained.overridden({"maintenance.0.enabled": False})
    assert plain.hash == kept.hash != drained.hash
    assert shared(kept).outages is None
    assert shared(drained).machines == out_at_once(shared(drained))


def test_failures_are_compared_with_none(ran: Ran) -> None:
    """`compare` tells the shortage that failures add; outages have no value without them."""
    rows = {row["quantity"]: row for row in gs.compare(ran.without, ran.result).rows}
    assert rows["service.shortage_share"]["difference"] >= 0
    assert rows["outages.machines_peak"]["a"] is None
    assert rows["outages.machines_peak"]["b"] > 0


def world_of(scenario: Scenario, outages: Outages) -> Shared:
    """Return the small world with these outages."""
    return replace(shared(scenario), outages=outages)


def out(*rows: tuple[int, int, int]) -> Outages:
    """Return outages (machine, from, until) in hours."""
    machine, begin, until = np.array(rows, np.int64).T
    return merged(machine, begin * 3_600_000, begin * 3_600_000, until * 3_600_000)


def test_spare_machines_make_up_for_those_that_are_out(ran: Ran) -> None:
    """Two of four are out at once: two spares, but never one that is out just then as well."""
    serving, others = np.arange(4), np.arange(4, 8)
    together = world_of(ran.scenario, out((0, 1, 5), (2, 4, 9)))
    assert [4, 5] == spares(together, serving, others).tolist()
    in_turn = world_of(ran.scenario, out((0, 1, 4), (2, 4, 9)))
    assert [4] == spares(in_turn, serving, others).tolist()
    also_out = world_of(ran.scenario, out((0, 1, 5), (4, 0, 12)))
    assert [5] == spares(also_out, serving, others).tolist()
    in_part = world_of(ran.scenario, out((0, 1, 9), (4, 0, 5)))
    assert [4, 5] == spares(in_part, serving, others).tolist()
    all_out = world_of(ran.scenario, out(*[(m, 1, 2) for m in range(8)]))
    assert [] == spares(all_out, serving, others).tolist()
    assert [] == spares(shared(ran.without.scenario), serving, others).tolist()


def test_spare_machines_make_up_for_memory_too(ran: Ran) -> None:
    """A spare of the same CPU and half the memory needs a second one beside it."""
    world = world_of(ran.scenario, out((0, 1, 5)))
    full = replace(world.fleet[0], count=4)
    half = replace(full, name="half", memory_mib=full.memory_mib // 2)
    uneven = replace(world, fleet=(full, half))
    assert [4, 5] == spares(uneven, np.arange(4), np.arange(4, 8)).tolist()


def test_machines_out_at_once(ran: Ran) -> None:
    """One that is back as another fails is not out with it; what fails later does not count."""
    assert 2 == out_at_once(world_of(ran.scenario, out((0, 1, 5), (1, 4, 9), (2, 9, 12))))
    assert 1 == out_at_once(world_of(ran.scenario, out((0, 1, 5), (1, 5, 9), (2, 24, 30))))
    assert out_at_once(shared(ran.without.scenario)) is None


def test_sizes_tell_how_many_are_out_beside_the_reserve(ran: Ran) -> None:
    """`size` has the most machines out at once beside the reserve that was asked for."""
    from greensched.report.sizing import remarks, sizing_schema

    document: dict[str, Any] = gs.size(ran.scenario).document
    assert out_at_once(ran.result.shared) == document["reserve"]["out_at_once"]
    assert any("out at once" in text for text in remarks(document))
    from jsonschema import Draft202012Validator

    assert [] == list(Draft202012Validator(sizing_schema()).iter_errors(document))
