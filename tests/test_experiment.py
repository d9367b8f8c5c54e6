"""Where the runs of a scenario are carried out, and that it makes no difference."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

import greensched as gs
from greensched.errors import DataError, OutsideError
from greensched.experiment import Here, Processes, runs
from greensched.experiment.world import Shared
from greensched.report.outputs import json_text
from greensched.scenario import Workload, intensities, sites
from tests.conftest import ROOT
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from greensched.experiment.executor import Tell

_SEEN: list[int] = []


def _count(item: int, _tell: Tell) -> tuple[int, int]:
    """Return the process, and how many items it has had."""
    _SEEN.append(item)
    return os.getpid(), len(_SEEN)


def _fail(item: int, _tell: Tell) -> int:
    """Raise an error for one item."""
    if item:
        message = f"item {item}"
        raise DataError(message)
    return item


def _die(item: int, _tell: Tell) -> int:
    """End a process that is not the first, as the system does for want of memory."""
    if item:
        os._exit(1)
    return item


@pytest.mark.slow
def test_processes_give_the_same_result(tmp_path: Path) -> None:
    """A summary and its tables are the same bytes with one process and with two."""
    scenario = gs.load(write_scenario(tmp_path))
    alone = gs.run(scenario)
    with Processes(2) as executor:
        together = gs.run(scenario, executor=executor)
    assert json_text(alone.summary) == json_text(together.summary)
    assert alone.series.equals(together.series)
    assert alone.entries.equals(together.entries)
    assert alone.jobs.equals(together.jobs)


def _kept(_item: int, _tell: Tell) -> int:
    """Return how many simulations a process keeps."""
    return len(runs._LIVE)


def test_no_process_keeps_a_run_that_nobody_goes_on_with(tmp_path: Path) -> None:
    """Without attribution the baseline goes no further, and no process keeps it."""
    with Processes(2) as executor:
        gs.run(gs.load(write_scenario(tmp_path)), executor=executor, bounds=False)
        assert [0, 0] == executor.map(_kept, [0, 1], None)


def test_an_item_stays_in_its_process() -> None:
    """The i-th item of each map goes to one process, of which this one takes its share."""
    _SEEN.clear()
    with Processes(2) as executor:
        first = executor.map(_count, [0, 1, 2], None)
        second = executor.map(_count, [0, 1, 2], None)
    pids = [pid for pid, _ in first]
    assert pids == [pid for pid, _ in second]
    assert [os.getpid(), os.getpid()] == [pids[0], pids[2]]
    assert pids[1] != pids[0]
    assert [1, 2] == [first[1][1], second[1][1]]


@pytest.mark.parametrize("executor", [Here, lambda: Processes(2)], ids=["here", "processes"])
def test_errors_come_through_and_processes_end(executor: Callable[[], Here | Processes]) -> None:
    """An error keeps its kind and words wherever it was raised, and leaves no process behind."""
    with pytest.raises(DataError, match="item 1"):
        _in(executor(), _fail)
    assert [] == multiprocessing.active_children()


def test_a_process_that_is_ended_is_told() -> None:
    """A process that the system ends is an outside refusal with a remedy, not a bug of ours."""
    with pytest.raises(OutsideError, match="use fewer workers"):
        _in(Processes(2), _die)
    assert [] == multiprocessing.active_children()


def test_notebook_shows_no_saving_without_its_service(tmp_path: Path) -> None:
    """The table of a notebook has the stamp, every total, the service account and its verdicts."""
    result = gs.run(gs.load(write_scenario(tmp_path)))
    html = result._repr_html_()
    assert "modelled · uncalibrated" in html
    for name in ("energy_facility_kwh", "service.violation_min", "batch.wait_p95_s"):
        assert f"<th scope=row>{name}</th>" in html
    scenario = result.summary["scenario"]
    held = [scenario[p][k] for p in ("service", "batch") for k in scenario[p] if k.endswith("_ok")]
    assert held.count(True) == html.count("<td>ok</td>")
    assert held.count(False) == html.count("VIOLATED")
    assert held.count(None) < len(held)


def _in(executor: Here | Processes, work: Callable[[int, Tell], int]) -> list[int]:
    """Carry out work on two items."""
    if isinstance(executor, Here):
        return executor.map(work, [0, 1], None)
    with executor:
        return executor.map(work, [0, 1], None)


def test_checksums_name_the_grids_file() -> None:
    """What is told of the files that were read has that of the carbon intensity too."""
    scenario = gs.load(ROOT / "simulations" / "tidal-week.yaml")
    known = Shared(
        scenario=scenario,
        workload=Workload(checksums=(("jobs.csv", "d" * 64),)),
        sites=sites(scenario),
        fleet=(),
        intensity=intensities(scenario),
        edges_ms=np.array([0, 1]),
    )
    text = (ROOT / "traces" / "three-zones.parquet").read_bytes()
    expected = {"jobs.csv": "d" * 64, "bundled:three-zones": hashlib.sha256(text).hexdigest()}
    assert expected == known.checksums
