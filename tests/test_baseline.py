"""The baseline as a scenario sets it: a cluster's own autoscalers."""

from __future__ import annotations

import pytest

from greensched.errors import ScenarioError
from greensched.experiment.baseline import baseline_for
from greensched.policies.autoscaled import Autoscaled, AutoscaledAsTheyAre
from greensched.scenario import build_workload, loads
from tests.readers.builders import refusal

TEXT = """\
apiVersion: greensched/v1
kind: Scenario
name: own
window: {start: 2023-03-06T00:00+08:00, hours: 1}
sites: [{name: here, zone: DE, pue: 1.2, intensity: 300 g/kWh}]
fleet: [{name: web, site: here, count: 3, type: server-2022}]
traces: {services: {file: 'bundled:online-week', only: [inference-00, media-00]}}
baseline: {%s}
"""


def test_the_autoscaler_is_set_as_the_scenario_says() -> None:
    """Targets are put in the services' order, 0 for those that none scales, and told in words."""
    scenario = loads(TEXT % "targets: {media-00: 0.7}, machines_min: 4, empty: 5 min")
    base = baseline_for(scenario, build_workload(scenario).services)
    expected = AutoscaledAsTheyAre(targets=(0.0, 0.7), machines_min=4, empty_ms=300_000)
    assert (expected,) == base.policies
    assert base.text.endswith("1 service scaled as they are, the others not")


def test_without_settings_nothing_changes() -> None:
    """A scenario that sets nothing has the baseline, and the hash, that it had."""
    scenario = loads(TEXT % "kind: autoscaled")
    assert (Autoscaled(),) == baseline_for(scenario, None).policies
    assert {"kind": "autoscaled", "headroom": 0.3} == scenario.values["baseline"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("targets: {media-OO: 0.7}", "no service 'media-OO'; did you mean 'media-00'?"),
        ("kind: static-peak, machines_min: 2", "a setting of 'autoscaled', not of 'static-peak'"),
        ("targets: {media-00: 70}", "70 is above 1.0"),
    ],
)
def test_settings_that_cannot_be(entry: str, said: str) -> None:
    """A service that is not there, another baseline and percents are refused."""

    def made() -> object:
        scenario = loads(TEXT % entry)
        return baseline_for(scenario, build_workload(scenario).services)

    assert said in refusal(made, ScenarioError)
