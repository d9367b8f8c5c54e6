"""How far a command is: all of its runs in one share, and what is left of its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import greensched as gs
from greensched.cli import say
from greensched.cli.progress import Progress
from greensched.experiment import Here, Processes, Question
from greensched.experiment.sensitivity import Spreads, sensitivity
from greensched.experiment.size import size
from greensched.experiment.tally import Tally
from tests.sweep_cases import write_tiny

if TYPE_CHECKING:
    from greensched.experiment.executor import Tell
    from greensched.scenario import Scenario


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.whats: list[str] = []
        self.shares: list[float] = []
        self.counted: list[str] = []

    def __call__(self, what: str, share: float, counted: str = "") -> None:
        """Keep it."""
        self.whats.append(what)
        self.shares.append(share)
        self.counted.append(counted)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Return a scenario with one switch, whose run takes a twentieth of a second."""
    return gs.load(write_tiny(tmp_path_factory.mktemp("tiny")))


def _half(number: int, tell: Tell) -> int:
    """Tell half of it; elsewhere be done at once, here after that."""
    if tell is not None:
        tell(f"item {number}", 0.5)
        time.sleep(0.05)
    return number


def test_shares_are_of_all_runs() -> None:
    """Half of the second of four runs is 3/8; a part of two more makes it 1.5 of 6."""
    heard = Heard()
    runs = Tally(heard)
    runs.expect(4)
    runs.ended()
    runs("second", 0.5)
    more = runs.part(2, guessed=True)
    more("second", 0.5)
    more.expect(0)
    more("second", 1.0)
    assert [1 / 4, 3 / 8, 1.5 / 6, 2 / 4] == heard.shares
    assert ["1 of 4 runs", "1 of 4 runs", "1 of about 6 runs", "1 of 4 runs"] == heard.counted


@pytest.mark.parametrize("made", [Here, lambda: Processes(2)], ids=["here", "elsewhere too"])
def test_each_item_is_counted_once(made: type[Here]) -> None:
    """Of four items all are counted as they end, whichever process had them."""
    heard = Heard()
    runs = Tally(heard)
    runs.expect(4)
    assert [0, 1, 2, 3] == made().map(_half, [0, 1, 2, 3], runs)
    assert "4 of 4 runs" == heard.counted[-1]
    assert 4 == len({c for c in heard.counted if not c.startswith("0")})
    assert 1.0 == heard.shares[-1]


def test_run_and_size_are_one_whole(tiny: Scenario) -> None:
    """No share is told twice: static-peak and the three of the table, then the sizes."""
    heard = Heard()
    whole = Tally(heard)
    sizes = whole.part(10, guessed=True)
    result = gs.run(tiny, progress=whole)
    assert "4 of about 14 runs" == heard.counted[-1]
    assert {"baseline", "static_peak", "scenario"} <= set(heard.whats)
    size(tiny, progress=sizes, known=result)
    done, _, runs, _ = heard.counted[-1].split()
    assert done == runs
    assert 1.0 == heard.shares[-1]
    assert "sizes, 1 of 2 fleets found" in heard.whats


@pytest.mark.parametrize("kind", ["autoscaled", "static-peak", "as-recorded"])
def test_runs_are_known_before_the_first(tiny: Scenario, kind: str) -> None:
    """From the first word on as many runs are told as there are in the end."""
    heard = Heard()
    scenario = tiny.with_(**{"baseline.kind": kind})
    gs.run(scenario, progress=heard, attribution=Question())
    last = heard.counted[-1].split()
    assert last[0] == last[2]
    assert {last[2]} == {counted.split()[2] for counted in heard.counted}


def test_runs_of_a_sensitivity_are_known_before(tiny: Scenario) -> None:
    """The middle, idle power either way and one seed: 4 x 4 from the first word on."""
    heard = Heard()
    sensitivity(tiny, Spreads(seeds=1, forecast_share=0.0), progress=heard)
    assert {"16"} == {c.split()[-2] for c in heard.counted}
    assert "16 of 16 runs" == heard.counted[-1]
    assert sorted(heard.shares) == heard.shares


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return what the clock shows [s], to be set; told is what is told normally."""
    say.set_level(say.NORMAL)
    shown = [0.0]
    monkeypatch.setattr("greensched.cli.progress.time.monotonic", lambda: shown[0])
    return shown


def test_time_left_is_told_without_a_terminal(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """A quarter done in 60 s beyond what was there leaves 2.0 quarters in 120 s: `2 min left`."""
    progress = Progress()
    progress("sweep", 0.25, "250 of 1,000 points")
    clock[0] = 60.0
    progress("sweep", 0.5, "500 of 1,000 points")
    assert "500 of 1,000 points, about 2 min left\n" == capsys.readouterr().err
    assert "after 500 of 1,000 points, in 'sweep'" == progress.text


def test_nothing_is_told_before_anything_is_known(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal no run of 18 is told of at the start, half of the first with its time."""
    progress = Progress()
    clock[0] = 40.0
    progress("sizing static-peak", 0.0, "0 of 18 runs")
    assert "" == capsys.readouterr().err
    clock[0] = 80.0
    progress("sizing static-peak", 0.5 / 18, "0 of 18 runs")
    assert "0 of 18 runs, about 23 min left\n" == capsys.readouterr().err
