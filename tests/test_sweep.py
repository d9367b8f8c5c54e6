"""Sweeps: what a grid means, and that rows depend on their point alone."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import greensched as gs
from greensched.errors import OutsideError, ScenarioError, UsageError
from greensched.experiment import Here
from greensched.experiment import sweep as module_or_function
from greensched.experiment.sweep import InProcess, numbers, row_of, sweep
from greensched.experiment.sweep_grid import Axis, axes_of, points_of, read_grid
from greensched.experiment.sweep_pool import processes
from tests.sweep_cases import write_tiny

if TYPE_CHECKING:
    from greensched.scenario import Scenario

COUNT = "fleet.0.count"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Return the tiny scenario."""
    return gs.load(write_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1:4:1", (1, 2, 3, 4)),
        ("a=0.1:0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("a=100:50:-25", (100, 75, 50)),
        ("a=1:4:2", (1, 3)),
        ("a=6h:24h:6h", ("6 h", "12 h", "18 h", "24 h")),
        ("a=6:12:6 h", ("6 h", "12 h")),
        ("a=00:00,01:00", ("00:00", "01:00")),
        ("a=best-fit,spread", ("best-fit", "spread")),
        ("a=12 h", ("12 h",)),
        ("a=01:00", ("01:00",)),
        ("a=true,false", ("true", "false")),
        ("a=1e3:2e3:500", (1000, 1500, 2000)),
    ],
)
def test_grids_are_read(text: str, values: tuple[Any, ...]) -> None:
    """A range is counted exactly and holds its end, a list is as it is written."""
    assert Axis(path="a", values=values) == read_grid(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a", "is not path=a:b:step"),
        ("=1", "is not path=a:b:step"),
        ("a=", "is not path=a:b:step"),
        ("a=1:4:0", "never comes from 1 to 4"),
        ("a=4:1:1", "never comes from 4 to 1"),
        ("a=1h:4min:1h", "has several units: h, min"),
        ("a=1:2:x", "is no range"),
        ("a=1,,2", "has an empty value"),
        ("a=0:1000000:1", "has 1,000,001 values"),
    ],
)
def test_wrong_grids_are_refused(text: str, what: str) -> None:
    """What is no grid is told with what it should look like."""
    with pytest.raises(UsageError, match=what) as caught:
        read_grid(text)
    assert f"--grid {text}" == caught.value.findings[0].where
    assert "for example" in caught.value.findings[0].remedy


def test_several_grids_are_multiplied() -> None:
    """The points of two grids are their product, the last changing fastest."""
    axes = axes_of({"a": [1, 2], "b": ["x", "y"]})
    expected = [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert expected == points_of(axes)
    with pytest.raises(UsageError, match="given twice"):
        axes_of([Axis(path="a", values=(1,)), Axis(path="a", values=(2,))])
    with pytest.raises(UsageError, match="has 7 twice"):
        axes_of({"a": [7, 8, 7]})
    with pytest.raises(UsageError, match="no values"):
        axes_of({"a": []})
    with pytest.raises(UsageError, match="is missing"):
        axes_of({})


def test_a_row_is_what_a_run_of_its_values_gives(tiny: Scenario) -> None:
    """Each point's numbers are those of the summary of a scenario with these values."""
    found = sweep(tiny, {COUNT: [6, 8], "policies.elastic-reactive.enabled": ["true", "false"]})
    assert 4 == len(found.rows)
    row = found.rows[3]
    own = tiny.with_(**{COUNT: 8, "policies.elastic-reactive.enabled": False})
    summary = gs.run(own).summary
    assert own.hash == row["scenario_sha256"]
    assert (3, 8, "false", None) == tuple(
        row[k] for k in ("point", COUNT, "policies.elastic-reactive.enabled", "error")
    )
    assert numbers(summary) == {k: row[k] for k in numbers(summary)}
    assert summary["scenario"]["energy_it_kwh"] == row["scenario.energy_it_kwh"]
    assert summary["savings"]["share"]["energy_it_kwh"] == row["savings.share.energy_it_kwh"]


@pytest.mark.slow
def test_rows_do_not_depend_on_the_executor(tiny: Scenario) -> None:
    """Here, in threads, in processes and by an executor that maps, the table is the same."""
    grid = {"seed": [1, 2, 3]}
    expected = gs.sweep(tiny, grid).table
    with ThreadPoolExecutor(1) as pool:
        assert expected.equals(gs.sweep(tiny, grid, executor=pool).table)
    assert expected.equals(gs.sweep(tiny, grid, executor=Here()).table)
    with processes(2) as pool:
        assert expected.equals(gs.sweep(tiny, grid, executor=pool).table)
    assert [0, 1, 2] == expected["point"].tolist()


def test_wrong_values_are_told_before_any_run(tiny: Scenario) -> None:
    """All values that cannot be are told at once, and no point is run."""
    kept: list[Any] = []
    with pytest.raises(ScenarioError) as caught:
        sweep(tiny, {COUNT: [-2, 8, -1]}, keep=kept.append)
    assert 2 == len(caught.value.findings)
    assert [] == kept
    with pytest.raises(UsageError, match="near: ") as unknown:
        sweep(tiny, {"flet.0.count": [1]})
    assert "--grid flet.0.count" == unknown.value.findings[0].where
    many = {"seed": range(1001), COUNT: range(1, 1001)}
    with pytest.raises(UsageError, match=r"1,001,000 points, at most 1,000,000"):
        sweep(tiny, many)


def test_a_point_that_cannot_be_run_says_why(tiny: Scenario) -> None:
    """Values that are wrong only for the demand give a row with the error; others are run."""
    found = sweep(tiny, {"fleet.0.memory": ["1 GiB", "64 GiB"]})
    assert 1 == len(found.failed)
    assert found.rows[0]["error"]
    assert "scenario.energy_it_kwh" not in found.rows[0]
    assert found.rows[1]["error"] is None
    assert found.table["scenario.energy_it_kwh"].isna().tolist() == [True, False]


def test_rows_that_are_there_are_not_run_again(tiny: Scenario) -> None:
    """Rows of an earlier sweep are taken as they are; only the others are run and kept."""
    whole = sweep(tiny, {"seed": [1, 2, 3]})
    kept: list[Any] = []
    told: list[tuple[float, str]] = []

    def note(_what: str, share: float, counted: str = "") -> None:
        told.append((share, counted))

    again = sweep(
        tiny,
        {"seed": [1, 2, 3]},
        done=[{**whole.rows[1], "mark": 1}],
        keep=lambda rows: kept.extend(r["point"] for r in rows),
        progress=note,
    )
    assert [0, 2] == kept
    assert 1 == again.rows[1]["mark"]
    assert whole.rows[0] == again.rows[0]
    assert (1 / 3, "1 of 3 points") == told[0]
    assert (1.0, "3 of 3 points") == told[-1]


def test_finished_rows_are_kept_when_it_is_interrupted(
    tiny: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the third point hands on the two that were finished."""
    kept: list[int] = []

    def interrupted(scenario: Scenario, point: int, values: Any) -> Any:
        if point == 2:
            raise KeyboardInterrupt
        return row_of(scenario, point, values)

    monkeypatch.setattr("greensched.experiment.sweep.row_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(
            tiny,
            {"seed": [1, 2, 3]},
            executor=InProcess(),
            keep=lambda rows: kept.extend(r["point"] for r in rows),
        )
    assert [0, 1] == kept


@pytest.mark.parametrize(("patience_s", "sent"), [(60.0, [5, 3]), (0.0, [5, 5, 5, 5, 4, 3, 2, 1])])
def test_points_are_sent_together_while_they_take_little(
    tiny: Scenario, monkeypatch: pytest.MonkeyPatch, patience_s: float, sent: list[int]
) -> None:
    """A batch is a share of what is left; what took long comes back and is sent again."""
    name = "greensched.experiment.sweep"
    monkeypatch.setattr(f"{name}.BATCH_S", patience_s)
    monkeypatch.setattr(f"{name}.BATCH_SHARE", 1)
    monkeypatch.setattr(f"{name}.BATCH_MAX", 5)
    monkeypatch.setattr(
        f"{name}.row_of", lambda _scenario, point, _values: {"point": point, "error": None}
    )
    batches: list[int] = []

    class Noting(InProcess):
        """Takes up to five points at a time, and notes how many."""

        open_max = 5

        def submit(self, fn: Any, /, *args: Any, **_: Any) -> Any:
            batches.append(len(args[1]))
            return super().submit(fn, *args)

    found = sweep(tiny, {"seed": range(8)}, executor=Noting())
    assert list(range(8)) == [row["point"] for row in found.rows]
    assert sent == batches


@pytest.mark.slow
def test_a_lost_worker_is_told(tiny: Scenario) -> None:
    """A process that the system ends is an outside refusal that says how to go on."""
    told: list[float] = []

    def lose_all(_what: str, share: float, _counted: str = "") -> None:
        told.append(share)
        if share > 0:  # nobody is left who could run the other points
            for process in multiprocessing.active_children():
                process.kill()

    with processes(2) as pool, pytest.raises(OutsideError, match="--resume goes on"):
        sweep(tiny, {"seed": range(200)}, executor=pool, progress=lose_all)
    assert 0 < told[-1] < 1


def test_names_do_not_hide_the_module() -> None:
    """`gs.sweep` is the function, and the package keeps its module."""
    assert sweep is gs.sweep
    assert module_or_function.sweep is sweep
