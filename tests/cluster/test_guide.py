"""The guide "Your cluster in an hour", word by word, on a real Prometheus with two weeks in it."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.cluster import week_world as world
from tests.conftest import ROOT
from tests.test_cli import call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cluster

GUIDE = ROOT / "docs" / "guides" / "your-cluster.md"
ADDRESS = "http://127.0.0.1:9090"
PORT = 19_388
BLOCKS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Return the words of each command of the guide, in order."""
    lines = "".join(BLOCKS.findall(GUIDE.read_text(encoding="utf-8"))).splitlines()
    return [shlex.split(line) for line in lines]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return the folder in which the guide was followed, and what each command printed."""
    folder = tmp_path_factory.mktemp("hour")
    (folder / "room").mkdir()
    printed: dict[str, str] = {}
    with world.served(folder / "room", PORT) as url, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, *words in commands():
            assert "greensched" == name
            told = call(*(word.replace(ADDRESS, url) for word in words))
            assert 0 == told.exit_code, f"{words}\n{told.output}"
            printed[words[0]] = told.stdout
        yield folder, printed


def test_calibration_finds_what_the_world_was_made_with(
    followed: tuple[Path, dict[str, str]],
) -> None:
    """Idle, peak and PUE are within a few percent of 30 W, 120 W and 1.3; the error is small."""
    text = (followed[0] / "week.calibrated.yaml").read_text(encoding="utf-8")
    found = {k: float(v) for k, v in re.findall(r"(idle|peak|pue|mape): ([0-9.]+)", text)}
    assert world.IDLE_W == pytest.approx(found["idle"], rel=0.03)
    assert world.PEAK_W == pytest.approx(found["peak"], rel=0.03)
    assert world.PUE == pytest.approx(found["pue"], rel=0.01)
    assert found["mape"] < 0.02


def test_the_result_says_that_it_is_calibrated(followed: tuple[Path, dict[str, str]]) -> None:
    """The stamp of the prediction has the error of the days held out."""
    summary = json.loads((followed[0] / "predicted" / "summary.json").read_text(encoding="utf-8"))
    assert summary["stamp"]["calibration"].startswith("calibrated, MAPE ")


def test_care_costs_saving_and_spares_service(followed: tuple[Path, dict[str, str]]) -> None:
    """The second run has half the minutes of violation and some half of the saved energy."""
    quick, careful = (
        json.loads((followed[0] / name / "summary.json").read_text(encoding="utf-8"))
        for name in ("predicted", "careful")
    )
    minutes = [run["scenario"]["service"]["violation_min"] for run in (quick, careful)]
    saved = [run["savings"]["energy_facility_kwh"] for run in (quick, careful)]
    assert 0.5 == pytest.approx(minutes[1] / minutes[0], abs=0.1)
    assert 0.5 == pytest.approx(saved[1] / saved[0], abs=0.1)


def test_manifests_are_there(followed: tuple[Path, dict[str, str]]) -> None:
    """An autoscaler and, where replicas change, a schedule for each of the 40 services."""
    folder, _ = followed
    assert 40 == (folder / "hpa.yaml").read_text(encoding="utf-8").count("kind: Horizontal")
    schedules = (folder / "schedules.yaml").read_text(encoding="utf-8")
    assert schedules.count("kind: ScaledObject") > 0
    assert "timezone: Asia/Shanghai" in schedules


def test_verify_names_what_happened(followed: tuple[Path, dict[str, str]]) -> None:
    """Machines that stayed on come first; load that grew counts, the model hardly; parts sum."""
    folder, printed = followed
    assert "most of it: policy" in printed["verify"]
    (path,) = (folder / "predicted-verified").glob("*.json")
    whole = json.loads(path.read_text(encoding="utf-8"))["whole"]
    for name in ("machine_ms", "facility_mwh", "scope2_mg"):
        effects = sum(effect[name] for effect in whole["effects"].values())
        assert whole["realised"][name] - whole["predicted"][name] == effects
    energy = {cause: effect["facility_mwh"] for cause, effect in whole["effects"].items()}
    assert energy["policy"] > energy["load"] > 4 * abs(energy["model"])
    assert energy["load"] > 0.03 * whole["predicted"]["facility_mwh"]
