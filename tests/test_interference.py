"""Interference in a result: the latency factor, its break-even, and measured latency."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import greensched as gs
from greensched.errors import ScenarioError
from greensched.experiment.interference import interference
from greensched.experiment.levels import responses_ms
from greensched.queueing import response_p99_ms
from greensched.report.heading import interference as sentence
from tests.report_cases import summary, write_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.experiment import Result

SWITCH = (
    "policies: [{kind: colocation-nsigma, min_reserved: 0.0, reclaim_cpu_share: 0.9, "
    "max_cpu: 1.0, reclaim_memory_share: 0.9, max_memory: 1.0, samples: 1}]"
)
LIMIT = 1.2
FLAT = "{points: [{utilisation: 0.0, p99: 7 ms}, {utilisation: 1.0, p99: 7 ms}]}"


def result(folder: Path, more: str = "", slo: float = LIMIT) -> Result:
    """Run the small scenario with batch beside its services, and `more` in its file."""
    path = write_scenario(folder)
    text = path.read_text(encoding="utf-8").replace("policies: [{kind: elastic}]", SWITCH)
    text = text.replace("baseline: {kind: autoscaled}", "baseline: {kind: static-peak}")
    text = text.replace("latency_factor_p99: 2.0", f"latency_factor_p99: {slo}")
    path.write_text(f"{text}{more}\n", encoding="utf-8")
    return gs.run(gs.load(path))


def factor(run: Result) -> float:
    """Return the scenario's latency factor."""
    return float(run.summary["scenario"]["service"]["latency_factor_p99"])


def test_nothing_is_slowed_unless_asked(tmp_path: Path) -> None:
    """By default batch slows nobody, and the result tells at which slope it would break."""
    run = result(tmp_path)
    assert 1.0 == factor(run)
    told = run.summary["interference"]
    assert ("none", 1.0, None) == (
        told["model"],
        told["slowdown_mean"],
        told["break_even_factor"],
    )
    assert told["break_even_slope"] > 0
    assert told["limited_by"] in {"shop", "web"}


def test_break_even_is_where_a_run_breaks(tmp_path: Path) -> None:
    """A run at the slope that one without interference foretells has the limit as its factor."""
    slope = result(tmp_path).summary["interference"]["break_even_slope"]
    line = f"interference: {{model: linear, slope: {slope}, batch_sensitivity: 0.0}}"
    again = result(tmp_path, line)
    assert pytest.approx(factor(again), rel=1e-4) == LIMIT
    told = again.summary["interference"]
    assert (pytest.approx(slope, rel=1e-3), pytest.approx(1.0, rel=1e-3)) == (
        told["break_even_slope"],
        told["break_even_factor"],
    )


def test_bubble_breaks_at_a_multiple(tmp_path: Path) -> None:
    """A curve twice as high, or services twice as sensitive, break at half the factor."""
    text = (
        "interference: {{model: bubble, curve: [[0, 0], [1, {}]], "
        "sensitivity: {{web: {}, shop: {}}}, batch_sensitivity: 0.0}}"
    )
    once, high, sensitive = (
        result(tmp_path, text.format(*told)).summary["interference"]
        for told in ((0.2, 1.0, 1.0), (0.4, 1.0, 1.0), (0.2, 2.0, 2.0))
    )
    assert once["break_even_factor"] == pytest.approx(2 * high["break_even_factor"], rel=1e-3)
    assert high["break_even_factor"] == pytest.approx(sensitive["break_even_factor"], rel=1e-3)
    assert once["break_even_slope"] is None


def test_broken_without_any(tmp_path: Path) -> None:
    """Where the limit is broken anyhow the break-even is 0; without a limit there is none."""
    run = result(tmp_path)
    tight = run.shared.scenario.with_(**{"slo.latency_factor_p99": 1.0})
    late = responses_ms(run.shared, run.baseline.run) * 0.9
    told = interference(replace(run.shared, scenario=tight), run.outcome.run, late)
    assert 0.0 == told["break_even_slope"]


def test_slower_service_asks_for_more(tmp_path: Path) -> None:
    """Requests that take twice as long are those of M/M/c with half the rate of service."""
    run = result(tmp_path)
    services, own = run.shared.workload.services, run.outcome.run
    assert services is not None
    slow = np.full(own.services.online_ms.shape, 2.0)
    found_ms = responses_ms(run.shared, own, slow)[12, 0]
    replicas = own.services.online_ms[12, 0] / services.step_ms
    cores = int(replicas * services.replica_cpu_m[0] / 1000)
    load = 2 * services.load_cpu_m[0, 12] / 1000
    assert response_p99_ms(cores, load, 2 * 50.0) == pytest.approx(found_ms)


def test_measured_latency_replaces_the_model(tmp_path: Path) -> None:
    """Points are read between by straight lines; above the last a service is overloaded."""
    points = "[{utilisation: 0.1, p99: 20 ms}, {utilisation: 0.6, p99: 70 ms}]"
    run = result(tmp_path, f"latency: [{{services: [web], points: {points}}}]")
    services, own = run.shared.workload.services, run.outcome.run.services
    assert services is not None
    web = services.names.index("web")
    found_ms = responses_ms(run.shared, run.outcome.run)
    room_m = own.online_ms[:24, web] / services.step_ms * services.replica_cpu_m[web]
    used = services.load_cpu_m[web] / room_m
    expected = np.where(used > 0.6, np.inf, 20 + (used - 0.1) * 100)
    assert expected == pytest.approx(found_ms[:24, web])
    assert (found_ms[:24, services.names.index("shop")] > 100).all()


def test_measured_latency_of_all_others(tmp_path: Path) -> None:
    """An entry without names is that of all services which no other names."""
    own = "[{utilisation: 0.0, p99: 9 ms}, {utilisation: 1.0, p99: 9 ms}]"
    run = result(tmp_path, f"latency: [{FLAT}, {{services: [web], points: {own}}}]")
    assert {7.0, 9.0} == set(np.unique(responses_ms(run.shared, run.outcome.run)[:24]))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("interference: {model: linear}", "has no 'slope'"),
        ("interference: {model: bubble}", "has no 'curve'"),
        ("interference: {slope: 0.3}", "'slope' is of model 'linear'"),
        ("interference: {model: linear, slope: 30 %}", "slope"),
        ("interference: {model: bubble, curve: [[0, 0], [0.5, 0.2], [1, 0.1]]}", "may not fall"),
        ("interference: {model: bubble, curve: [[0.1, 0], [1, 0.1]]}", r"not \[0, 0\]"),
        ("latency: [{points: [{utilisation: 0.1, p99: 1 ms}]}]", "points"),
        (
            "latency: [{points: [{utilisation: 0.5, p99: 9 ms}, {utilisation: 0.2, p99: 9 ms}]}]",
            "has to rise",
        ),
        (
            (
                "interference: {model: bubble, curve: [[0, 0], [1, 1]], sensitivity: {wep: 2}, "
                "pressure: {hot: 2}}"
            ),
            r"unknown service 'wep'; did you mean 'web'\?\n.*unknown job class 'hot'",
        ),
        (
            f"latency: [{FLAT}, {FLAT}]",
            "all others measured twice",
        ),
    ],
)
def test_bad_settings(tmp_path: Path, more: str, expected: str) -> None:
    """What cannot be is refused, with its place and a remedy."""
    with pytest.raises(ScenarioError, match=expected):
        result(tmp_path, more)


NONE = {
    "model": "none",
    "slowdown_mean": 1.0,
    "break_even_slope": None,
    "break_even_factor": None,
    "limited_by": None,
}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ""),
        (
            {"break_even_slope": 0.844, "limited_by": "web"},
            (
                "interference: not modelled, so what batch does to latency is left out; the "
                "latency objective would break if batch that fills a machine made requests "
                "beside it take 84 % longer (web first)"
            ),
        ),
        (
            {"break_even_slope": 0.0},
            (
                "interference: not modelled, so what batch does to latency is left out; the "
                "latency objective is broken without any"
            ),
        ),
        (
            {"slowdown_mean": 1.05},
            "interference: not modelled; services slowed by 5.00 % by shared cores",
        ),
        (
            {
                "model": "linear",
                "slowdown_mean": 1.012,
                "break_even_slope": 0.6,
                "break_even_factor": 2.0,
            },
            (
                "interference (linear): services slowed by 1.20 % on average; the latency "
                "objective would break at 2.00 times that, if batch that fills a machine made "
                "requests beside it take 60 % longer"
            ),
        ),
        (
            {"model": "bubble", "slowdown_mean": 1.2, "break_even_factor": 1.5},
            (
                "interference (bubble): services slowed by 20.00 % on average; the latency "
                "objective would break at 1.50 times that"
            ),
        ),
    ],
)
def test_sentence(told: dict[str, Any], expected: str) -> None:
    """The result says how services were slowed, and how much more would break the objective."""
    assert expected == sentence(summary() | {"interference": NONE | told})
