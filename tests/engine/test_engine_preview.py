"""A policy that is previewed: what it would have done is told, and nothing is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import greensched as gs
from greensched.engine.simulate import simulate
from greensched.model import Power, Scale
from greensched.policies.elastic import ElasticReactive
from tests.engine.worlds import Scripted, machines, numbers, services, setting
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.engine.result import RunResult
    from greensched.model import Policy


@dataclass(frozen=True)
class Previewed(Scripted):
    """The same, only shown."""

    preview: bool = True


def ran(*policies: Policy) -> RunResult:
    """Return a minute of a service with eight replicas of half a core and a load of two cores."""
    return simulate(
        setting(
            machines(role="online", count=2),
            services=services({"load_cpu_m": [2_000], "replica_cpu_m": 500}),
            replicas=numbers(8),
            policies=policies,
            window_ms=60_000,
        )
    )


def test_what_would_have_been_is_told_by_hand() -> None:
    """Eight replicas for 10 s, six for 20 s, three for 30 s; with three the load is short."""
    to = [Scale(services=numbers(0), replicas=numbers(n)) for n in (6, 3)]
    off = Power(machines=numbers(1), to="off")
    script = ((10_000, (to[0], off)), (30_000, (to[1],)))
    result, without = ran(Previewed(script=script)), ran()
    (told,) = result.previews
    # the last look is at 59 s
    assert (8 * 10 + 6 * 20 + 3 * 29) / 59 == pytest.approx(told.replicas)
    assert 8.0 == pytest.approx(told.replicas_there)
    assert 0.5 * (2 * 20 + 5 * 29) / 59 == pytest.approx(told.cores_less)
    assert 29 / 60 == pytest.approx(told.short_min)
    assert without.usage.energy_j.sum() == pytest.approx(result.usage.energy_j.sum(), rel=1e-12)
    assert 0 == result.counts["power_cycles"] == result.counts["rejected"]


def test_a_policy_sees_what_it_would_have() -> None:
    """The replica rule goes down in its steps to 2 / (0.5 x 0.6) = 7 replicas, as if obeyed."""
    steps = ElasticReactive(
        period_ms=1_000, stabilisation_ms=0, down_share=0.1, down_window_ms=2_000, preview=True
    )
    shown = ran(steps)
    assert 7.0 == pytest.approx(shown.previews[0].replicas, abs=0.2)
    assert 8 * 60_000 == int(shown.services.online_ms.sum())


def test_a_preview_is_told_in_the_result(tmp_path: Path) -> None:
    """With `preview` the switch saves what no switch saves, and the findings say what it would."""
    scenario = gs.load(write_scenario(tmp_path)).with_(**{"policies.elastic.preview": True})
    off = scenario.overridden({"policies.elastic.enabled": False})
    shown, nothing = gs.run(scenario).summary, gs.run(off).summary
    alike = ("energy_facility_kwh", "machines_on_mean")
    assert [nothing["scenario"][k] for k in alike] == [shown["scenario"][k] for k in alike]
    assert any("previewed, nothing was done: on average" in f for f in shown["demand"]["findings"])
