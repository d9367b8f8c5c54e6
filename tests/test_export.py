"""Exports: what a run decided in the words of others, and what these cannot say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from greensched.errors import UsageError
from greensched.export import TARGETS, export
from greensched.export.carbonpolicy import peak_cores
from greensched.export.decided import blocks
from greensched.export.kube_green import quietest
from greensched.export.written import written
from greensched.scenario import loads
from tests.conftest import ROOT
from tests.export_cases import SCENARIO, decided
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.export.decided import Export

TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 0}


def _object(required: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **others},
        "additionalProperties": False,
    }


# The fields that these programs document, of those that we write: KEDA 2 "Cron", kube-green's
# SleepInfo, Koordinator's "SLO Configuration" and "Colocation Profile".
DOCUMENTED: dict[str, Any] = {
    "ScaledObject": _object(
        {
            "scaleTargetRef": _object({"name": TEXT}),
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": _object(
                    {
                        "type": {"const": "cron"},
                        "metadata": _object(
                            {
                                "timezone": TEXT,
                                "start": TEXT,
                                "end": TEXT,
                                "desiredReplicas": {"type": "string", "pattern": "^[0-9]+$"},
                            }
                        ),
                    }
                ),
            },
        },
        minReplicaCount=COUNT,
        maxReplicaCount=COUNT,
        cooldownPeriod=COUNT,
    ),
    "SleepInfo": _object(
        {
            "weekdays": TEXT,
            "sleepAt": {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"},
        },
        wakeUpAt={"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"},
        timeZone=TEXT,
        suspendDeployments={"type": "boolean"},
        suspendStatefulSets={"type": "boolean"},
        includeRef={
            "type": "array",
            "items": _object({}, apiVersion=TEXT, kind=TEXT, name=TEXT),
        },
        patches={
            "type": "array",
            "items": _object({"target": _object({"group": TEXT, "kind": TEXT}), "patch": TEXT}),
        },
    ),
    "ClusterColocationProfile": _object(
        {"selector": {"type": "object"}, "qosClass": {"const": "BE"}}, priorityClassName=TEXT
    ),
}


@pytest.fixture(scope="module")
def exports() -> dict[str, Export]:
    """Return all exports of one run."""
    return {target: export(decided(), target) for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_documents_are_yaml_that_reads_back(exports: dict[str, Export], target: str) -> None:
    """What is written reads back as the same values, each with kind, name and result."""
    made = exports[target]
    read = list(YAML(typ="safe").load_all(written(made)))
    assert list(made.documents) == read
    for document in read:
        assert {"apiVersion", "kind", "metadata"} <= set(document)
        assert "everything-" in document["metadata"]["annotations"]["greensched.io/result"]


@pytest.mark.parametrize("target", TARGETS)
def test_documents_have_documented_fields_alone(exports: dict[str, Export], target: str) -> None:
    """Every field is one that its program documents, of the documented type."""
    for document in exports[target].documents:
        if document["kind"] in DOCUMENTED:
            Draft202012Validator(DOCUMENTED[document["kind"]]).validate(document["spec"])


def test_hpa_has_the_policy_s_own_numbers(exports: dict[str, Export]) -> None:
    """Target 55 %, 2 to 10 replicas, at most 30 % down in ten minutes, twice or 4 up a minute."""
    made = {d["metadata"]["name"]: d for d in exports["hpa"].documents}
    assert {"shop", "on"} == set(made)
    spec = made["shop"]["spec"]
    assert "team" == made["shop"]["metadata"]["namespace"]
    assert (2, 10) == (spec["minReplicas"], spec["maxReplicas"])
    assert 55 == spec["metrics"][0]["resource"]["target"]["averageUtilization"]
    down, up = (spec["behavior"][name]["policies"] for name in ("scaleDown", "scaleUp"))
    assert [{"type": "Percent", "value": 30, "periodSeconds": 600}] == down
    assert [("Percent", 100), ("Pods", 4)] == [(step["type"], step["value"]) for step in up]
    assert any("by forecast" in line for line in exports["hpa"].not_expressed)
    assert any("Not_A_Name" in line for line in exports["hpa"].not_expressed)


def test_settings_beyond_an_autoscaler_s_are_told() -> None:
    """What is cut to what an HPA may have, or has no field in it, is listed."""
    text = SCENARIO.replace(
        "target: 0.55}", "target: 0.55, stabilisation: 2 h, down_window: 1 h, tolerance: 0.2}"
    )
    made = export(decided(scenario=loads(text)), "hpa")
    assert {
        "stabilisation of 7200 s: at most 3,600 s here",
        "down_window of 3600 s: at most 1,800 s here",
        "tolerance 0.2: a setting of the cluster, 0.1",
    } <= set(made.not_expressed)
    assert not [one for one in export(decided(), "hpa").not_expressed if "at most" in one]


def test_schedule_has_working_days_and_weekends(exports: dict[str, Export]) -> None:
    """8 to 20 o'clock of the window's zone: 10 replicas on working days, 6 on weekends."""
    (shop,) = exports["keda-cron"].documents
    found = [t["metadata"] for t in shop["spec"]["triggers"]]
    common = {"timezone": "Etc/GMT-8"}
    days = (("1-5", "10"), ("0,6", "6"))
    assert [
        {
            **common,
            "start": f"0 8 * * {day}",
            "end": f"0 20 * * {day}",
            "desiredReplicas": replicas,
        }
        for day, replicas in days
    ] == found
    assert any(line.startswith("on: as many") for line in exports["keda-cron"].not_expressed)


@pytest.mark.parametrize(
    ("start", "zone", "evening"),
    [
        ("2024-01-01T00:00+08:00", "Asia/Shanghai", (8, 20)),
        ("2023-12-31T16:00+00:00", "Asia/Shanghai", (8, 20)),
        ("2023-12-31T16:00+00:00", "", (0, 12)),
        ("2023-12-31T18:30+00:00", "Asia/Kolkata", (8, 20)),
        ("2023-12-31T19:00+00:00", "Asia/Kolkata", (8, 21)),
    ],
)
def test_hours_are_of_the_schedule_s_clock(
    start: str, zone: str, evening: tuple[int, int]
) -> None:
    """The ninth hour of the window is when that is by the zone named, not by the window's own."""
    text = SCENARIO.replace("2024-01-01T00:00+08:00", start)
    made = decided(scenario=loads(text), time_zone=zone)
    (shop,) = export(made, "keda-cron").documents
    highest = [t["metadata"] for t in shop["spec"]["triggers"]]
    begin, end = evening
    hours = {(t["start"].split()[1], t["end"].split()[1]) for t in highest
             if t["desiredReplicas"] == "10"}  # fmt: skip
    assert {(str(begin), str(end))} == hours
    (rest,) = export(made, "kube-green").documents
    assert (f"{end:02d}:00", f"{begin:02d}:00") == (
        rest["spec"]["sleepAt"], rest["spec"]["wakeUpAt"],
    )  # fmt: skip


def test_hours_that_the_window_does_not_have_are_no_rest() -> None:
    """Of half a day the other half is not known: it keeps the most replicas, and is told."""
    week = decided()
    half = decided(replicas=week.replicas[week.replicas["start_s"] < 12 * 3600])
    for target in ("keda-cron", "kube-green"):
        made = export(half, target)
        said = "12 hours of the day that the window does not have: as at the most"
        assert said in made.not_expressed
    (rest,) = export(half, "kube-green").documents
    assert ("00:00", "08:00") == (rest["spec"]["sleepAt"], rest["spec"]["wakeUpAt"])
    (shop,) = export(half, "keda-cron").documents
    assert [("0 8 * * *", "59 23 * * *")] == [
        (t["metadata"]["start"], t["metadata"]["end"]) for t in shop["spec"]["triggers"]
    ]


def test_a_zone_that_is_none_is_told() -> None:
    """A schedule in a zone that nobody knows would never run: it is refused."""
    with pytest.raises(UsageError, match="'Mars/Olympus' is no time zone"):
        export(decided(time_zone="Mars/Olympus"), "keda-cron")


def test_rest_is_from_evening_to_morning(exports: dict[str, Export]) -> None:
    """From 20:00 to 08:00 two replicas are left, times as quoted text, as YAML 1.1 needs it."""
    (shop,) = exports["kube-green"].documents
    spec = shop["spec"]
    assert ("20:00", "08:00") == (spec["sleepAt"], spec["wakeUpAt"])
    assert "value: 2" in spec["patches"][0]["patch"]
    text = written(exports["kube-green"])
    assert 'sleepAt: "20:00"' in text
    assert 'name: "on"' in written(exports["hpa"])


def test_koordinator_has_the_guards(exports: dict[str, Export]) -> None:
    """Suppression at 80 % of CPU and reclaim of 70 % are those of the run."""
    settings, profile = exports["koordinator"].documents
    colocation = json.loads(settings["data"]["colocation-config"])
    threshold = json.loads(settings["data"]["resource-threshold-config"])["clusterStrategy"]
    assert (70, 65) == (
        colocation["cpuReclaimThresholdPercent"],
        colocation["memoryReclaimThresholdPercent"],
    )
    assert (80, 70) == (
        threshold["cpuSuppressThresholdPercent"],
        threshold["memoryEvictThresholdPercent"],
    )
    assert "BE" == profile["spec"]["qosClass"]


def test_carbonpolicy_is_what_the_definition_takes(exports: dict[str, Export]) -> None:
    """Zone, PUE, watts a core, 90 minutes and the most cores at a time; the CRD's fields alone."""
    (policy,) = exports["carbonpolicy"].documents
    spec = policy["spec"]
    assert ("CN-EAST", "china", "90m") == (
        spec["zone"],
        spec["provider"],
        spec["defaults"]["maxDelay"],
    )
    assert {"low": 3.281, "mid": 4.141, "high": 5.0} == pytest.approx(
        spec["energy"]["wattsPerCore"], abs=1e-3
    )
    assert 16 == spec["capacity"]["cpu"]
    definition = YAML(typ="safe").load(ROOT / "k8s/chart/crds/carbonpolicies.yaml")
    (version,) = definition["spec"]["versions"]
    whole = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    Draft202012Validator(_closed(whole)).validate(spec)


def _closed(schema: Any) -> Any:
    """Return an OpenAPI schema in which unknown fields, which a server prunes, are wrong."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    own = {k: _closed(v) for k, v in schema.items()}
    if "properties" in own and "additionalProperties" not in own:
        own["additionalProperties"] = False
    return own


def test_cores_at_a_time() -> None:
    """2 and 8 cores, then 8 and 8: what ends as another begins is not counted with it."""
    assert 16 == peak_cores(decided())


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ([2] * 8 + [9] * 12 + [2] * 4, (20, 8, 2)),
        ([9] * 24, None),
        ([9] * 23 + [1], None),
        ([1, 1] + [4] * 6 + [9] * 16, (0, 8, 4)),
    ],
)
def test_quiet_hours(profile: list[int], expected: tuple[int, int, int] | None) -> None:
    """The hours in a row that save most, over midnight too; none where there are not two."""
    assert expected == quietest(np.array(profile))


def test_blocks_cover_the_day() -> None:
    """Equal hours in a row are one block, and the last ends with the day."""
    profile = np.array([1] * 6 + [3] * 18)
    assert [(0, 6, 1), (6, 24, 3)] == blocks(profile)


def test_a_switch_that_is_off_is_an_error() -> None:
    """Without the switch that a target tells of there is nothing to export, and it is said."""
    without = loads(SCENARIO[: SCENARIO.index("policies:")])
    for target in TARGETS:
        with pytest.raises(UsageError, match="the run has no switch"):
            export(decided(scenario=without), target)


def test_half_hours_need_the_zone_s_name() -> None:
    """An offset of 5:30 h has no Etc zone: the name has to be given."""
    moved = loads(SCENARIO.replace("+08:00", "+05:30"))
    with pytest.raises(UsageError, match="no whole number of hours"):
        export(decided(scenario=moved), "keda-cron")
    (shop,) = export(decided(scenario=moved, time_zone="Asia/Kolkata"), "keda-cron").documents
    assert "Asia/Kolkata" == shop["spec"]["triggers"][0]["metadata"]["timezone"]


def test_command_writes_a_file_and_lists_the_rest(tmp_path: Path) -> None:
    """`export` of a run's folder writes manifests, and tells what they do not say."""
    path = write_scenario(tmp_path)
    quiet = ("--no-attribution", "--no-sizing", "--out", tmp_path / "day")
    assert 0 == call("run", path, *quiet).exit_code
    told = call("export", tmp_path / "day", "--to", "hpa", "--out", tmp_path / "hpa.yaml")
    assert 0 == told.exit_code
    assert "not expressed: elastic-predictive" in told.stderr
    documents = list(YAML(typ="safe").load_all(tmp_path / "hpa.yaml"))
    assert ["shop", "web"] == [d["metadata"]["name"] for d in documents]
    missing = call("export", tmp_path / "day", "--to", "carbonpolicy")
    assert 2 == missing.exit_code
    assert "no switch 'shifting'" in missing.stderr
