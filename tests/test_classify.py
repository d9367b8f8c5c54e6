"""Rules of a scenario that say what jobs are and which may wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greensched.errors import DataError, ScenarioError
from greensched.experiment.run import run
from greensched.model import JobClass, Jobs
from greensched.scenario import build_workload, loads
from greensched.scenario.classify import Classified, classified
from greensched.scenario.classifyspec import ClassifySpec
from tests.readers.builders import refusal
from tests.test_scenario_workload import jobs_of, services_of

H_MS = 3_600_000


def slurm() -> Jobs:
    """Return four jobs of one core-hour, of three classes."""
    classes = (
        JobClass(name="cpu/low", attributes=(("partition", "cpu"), ("qos", "low"))),
        JobClass(name="gpu", attributes=(("partition", "gpu"), ("label", "team=ml")),
                 deferrable=True, max_delay_ms=H_MS, interruptible=True),
        JobClass(name="debug", attributes=(("partition", "debug"),)),
    )  # fmt: skip
    return replace(
        jobs_of([(0, H_MS, 1_000)] * 4),
        job_class=np.array([0, 0, 1, 2], np.int32),
        classes=classes,
        ids=np.array(["train-1", "etl-1", "etl-2", "x"]),
    )


def by(*rules: dict[str, Any], jobs: Jobs | None = None, **spec: Any) -> Classified:
    """Return the four jobs by these rules."""
    given = Classified(
        jobs=slurm() if jobs is None else jobs,
        history_jobs=None,
        services=None,
        history_services=None,
        findings=(),
    )
    checked: Any = rules
    return classified(given, ClassifySpec(rules=checked, **spec), 4 * H_MS, 1)


def waiting(found: Classified) -> list[bool]:
    """Return which jobs may wait."""
    assert found.jobs is not None
    return [found.jobs.classes[i].deferrable for i in found.jobs.job_class]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"partition": "cpu"}, [True, True, False, False]),
        ({"partition": "*p*"}, [True, True, True, False]),
        ({"partition": "cpu", "qos": "high"}, [False] * 4),
        ({"label": "team=*"}, [False, False, True, False]),
        ({"was": "cpu/*"}, [True, True, False, False]),
        ({"name": "etl-*"}, [False, True, True, False]),
        ({"name": "etl-*", "partition": "gpu"}, [False, False, True, False]),
    ],
)
def test_a_rule_matches_by_all_of_its_patterns(rule: dict[str, Any], expected: list[bool]) -> None:
    """A job matches by what its class tells, or by its id; what no rule matches never waits."""
    assert expected == waiting(by({**rule, "deferrable": True}))


def test_the_first_rule_holds() -> None:
    """A job that several rules match is what the first says, class and delay included."""
    found = by(
        {"name": "etl-1", "class": "urgent"},
        {"partition": "cpu", "deferrable": True, "max_delay": "2 h", "class": "slow"},
    )
    assert found.jobs is not None
    kinds = [found.jobs.classes[i] for i in found.jobs.job_class]
    assert [("slow", 2 * H_MS), ("urgent", -1), ("gpu", -1), ("debug", -1)] == [
        (k.name, k.max_delay_ms) for k in kinds
    ]
    assert not kinds[2].interruptible


def test_what_no_rule_matches_is_counted() -> None:
    """Jobs and core-hours without a rule are told, and are not shifted whatever the trace says."""
    found = by({"partition": "cpu", "deferrable": True})
    said = "classify: 2 of 4 jobs (50.0 % of core-hours) match no rule, never shifted"
    assert (said,) == found.findings


@pytest.mark.parametrize("more", [{"kind": "service", "class": "idle"}, {"deferrable": True}])
def test_rules_that_no_job_is_left_to_are_told(more: dict[str, Any]) -> None:
    """A pattern with a slip, or behind a wider rule, has no effect: it is said, and no service."""
    wide = {"partition": "*", "deferrable": True}
    found = by(wide, {"partition": "cpuu", **more}, {"qos": "low", "partition": "c*", **more})
    said = "classify: no job is left to the rule "
    assert [f"{said}partition 'cpuu'", f"{said}partition 'c*', qos 'low'"] == [
        finding for finding in found.findings if finding.startswith(said)
    ]
    assert found.services is None


def test_a_service_of_jobs_has_a_name_of_its_own() -> None:
    """A name that a service of the trace has is refused, not given twice."""
    there = replace(services_of([[500] * 8], step_ms=H_MS // 2), names=("web",))
    given = Classified(
        jobs=slurm(), history_jobs=None, services=there, history_services=None, findings=()
    )
    rule: Any = {"partition": "cpu", "kind": "service", "class": "web"}
    with pytest.raises(DataError, match="the trace has a service 'web' already"):
        classified(given, ClassifySpec(rules=(rule,)), 4 * H_MS, 1)


def test_a_larger_share_lets_the_same_jobs_wait_and_more() -> None:
    """Of assumed jobs a part may wait: nested in the share, none of other rules touched."""
    jobs = replace(jobs_of([(0, H_MS, 1_000)] * 400), classes=(JobClass(name="a"),))
    rule = {"was": "a", "deferrable": True, "assumed": True}
    chosen = [waiting(by(rule, jobs=jobs, assumed_share=share)) for share in (0.1, 0.5, 1.0)]
    assert all(b for a, b in zip(chosen[0], chosen[1], strict=True) if a)
    assert 20 < sum(chosen[0]) < 60
    assert 150 < sum(chosen[1]) < 250
    assert 400 == sum(chosen[2])
    sure = {"was": "a", "deferrable": True}
    assert 400 == sum(waiting(by(sure, jobs=jobs, assumed_share=0.1)))


def test_jobs_that_are_a_service() -> None:
    """Jobs of a service leave the queue; the service wants what they ran on, in each step."""
    found = by({"partition": "cpu", "kind": "service", "class": "web"})
    assert found.jobs is not None
    assert found.services is not None
    assert (2, ("web",)) == (len(found.jobs), found.services.names)
    assert ([2_000] * 12 + [0] * 36) == found.services.load_cpu_m[0].tolist()
    assert [1_000] == found.services.replica_cpu_m.tolist()


def test_a_service_of_jobs_beside_others() -> None:
    """It takes the grid of the services that are there; names stay sorted, history too."""
    there = replace(services_of([[500] * 8], step_ms=H_MS // 2), names=("web",))
    past = replace(there, start_ms=-4 * H_MS)
    given = Classified(
        jobs=slurm(), history_jobs=slurm(), services=there, history_services=past, findings=()
    )
    rule: Any = {"partition": "cpu", "kind": "service", "class": "api"}
    found = classified(given, ClassifySpec(rules=(rule,)), 4 * H_MS, 1)
    assert found.services is not None
    assert found.history_services is not None
    assert ("api", "web") == found.services.names == found.history_services.names
    assert [[2_000, 2_000, 0], [500, 500, 500]] == found.services.load_cpu_m[:, :3].tolist()
    assert 8 == found.history_services.load_cpu_m.shape[1]


TEXT = """\
apiVersion: greensched/v1
kind: Scenario
name: rules
window: {start: 2023-03-06T00:00+08:00, hours: 6}
seed: 7
sites: [{name: hz, zone: CN-EAST, pue: 1.25, intensity: 'bundled:three-zones'}]
fleet: [{name: gen8, site: hz, count: 150, type: server-2022}]
traces: {%s}
classify: {rules: [%s]}
policies: [{kind: shifting, policy: lowest-window, max_delay: 6 h}]
"""
JOBS = "jobs: bundled:batch-week"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{deferrable: true}", "a rule without a pattern; give one of namespace, partition"),
        ("{was: etl, max_delay: 2 h}", "'max_delay' of jobs that may not wait"),
        ("{was: etl, assumed: true}", "'assumed' of jobs that may not wait"),
        ("{was: etl, kind: service}", "a service needs its name"),
        ("{was: etl, kind: service, class: a, deferrable: true}", "a service cannot wait"),
        ("{wass: etl}", "unknown key 'wass'"),
        ("{was: etl, kind: service, class: media-00}", "there is a service 'media-00' already"),
    ],
)
def test_rules_that_cannot_be(rule: str, said: str) -> None:
    """A rule that says nothing, or what cannot be, is refused with its place."""
    text = TEXT % (JOBS + ", services: bundled:online-week", rule)
    assert said in refusal(lambda: build_workload(loads(text)), ScenarioError)


@pytest.mark.slow
def test_savings_at_parts_of_what_is_assumed() -> None:
    """Where it is assumed who may wait, what is saved is told at 10, 50 and 100 % of them."""
    found = run(loads(TEXT % (JOBS, "{was: 'etl*', deferrable: true, assumed: true}")))
    assert [0.1, 0.5, 1.0] == [one.share for one in found.assumed_shares]
    saved = found.summary["savings"]["scope2_location_kg"]
    assert saved == found.assumed_shares[-1].scope2_location_kg
    assert 3 == len({one.scope2_location_kg for one in found.assumed_shares})
    assert any("which jobs may wait is assumed; saved where" in f for f in found.findings)
    sure = run(loads(TEXT % (JOBS, "{was: 'etl*', deferrable: true}")), bounds=False)
    assert () == sure.assumed_shares
