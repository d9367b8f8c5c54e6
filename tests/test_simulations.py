"""The worked scenarios give what is written beside them."""

from __future__ import annotations

import json

import pytest

from tests.simulations import differences, expected_path, summary_of

NEEDS = {
    "tidal-week": (),
    "outages-week": (pytest.mark.slow,),
    "planetlab": (pytest.mark.data,),
    "inference-night": (pytest.mark.data,),
    "surf-week": (pytest.mark.data,),
    "openb": (pytest.mark.data, pytest.mark.slow),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=marks) for name, marks in NEEDS.items()]
)
def test_scenario_gives_its_expected_result(name: str) -> None:
    """A scenario's summary equals the one kept beside it, floats within 1e-9."""
    expected = json.loads(expected_path(name).read_text(encoding="utf-8"))

    assert [] == differences(expected, summary_of(name))


def test_a_difference_is_found() -> None:
    """A float that differs by more than 1e-9, a missing key and another text are told."""
    expected = {"a": 1.0, "b": {"c": "x"}, "d": 1}

    found = differences(expected, {"a": 1.0 + 2e-9, "b": {"c": "y"}})

    assert [".a", ".b.c", ".d"] == [line.split(":")[0] for line in found]


@pytest.mark.data
def test_surf_week_queues_on_fewer_machines() -> None:
    """On 100 of its 279 machines surf-week's tasks wait, and less energy is used."""
    whole = json.loads(expected_path("surf-week").read_text(encoding="utf-8"))

    part = summary_of("surf-week", **{"fleet.0.count": 100})

    assert part["scenario"]["batch"]["wait_mean_s"] > whole["scenario"]["batch"]["wait_mean_s"]
    assert part["scenario"]["energy_it_kwh"] < whole["scenario"]["energy_it_kwh"]


@pytest.mark.data
def test_surf_week_takes_another_power_curve() -> None:
    """A square-root curve lies above the linear one, so surf-week uses more energy."""
    whole = json.loads(expected_path("surf-week").read_text(encoding="utf-8"))

    other = summary_of("surf-week", **{"fleet.0.power.model": "sqrt"})

    assert other["scenario"]["energy_it_kwh"] > whole["scenario"]["energy_it_kwh"]
