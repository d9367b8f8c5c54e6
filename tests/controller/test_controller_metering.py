"""How the power of a Job comes to be known."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from greensched.controller.energy import ASSUMED, MEASURED
from greensched.controller.metering import Metering
from greensched.providers.web import Web
from tests.controller.cases import START_MS
from tests.controller.client import Clock, FakeCluster
from tests.controller.store import Store
from tests.controller.test_controller_settle import ended
from tests.controller.test_controller_terms import made, policy

RATES = {
    "watts_per_core": {"low": 1, "mid": 2, "high": 3},
    "watts_per_gpu": {"low": 0, "mid": 0, "high": 0},
}


def _metering(answer: Any, asked: list[httpx.Request] | None = None) -> Metering:
    def answered(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return httpx.Response(200, json=answer)

    clock = Clock(START_MS)
    store = Store(clock.now_ms)
    node = {"metadata": {"name": "n", "labels": {"node.kubernetes.io/instance-type": "big"}}}
    store.handle("POST", "/api/v1/nodes", {}, node, "human")
    labels = {"batch.kubernetes.io/controller-uid": "u"}
    pod = {"metadata": {"name": "p", "labels": labels}, "spec": {"nodeName": "n"}}
    store.handle("POST", "/api/v1/namespaces/jobs/pods", {}, pod, "human")
    cluster = FakeCluster(store, clock, "greensched")
    transport = httpx.MockTransport(answered)
    return Metering(cluster, "http://127.0.0.1:9090", lambda: Web.open(transport))


def _energy(**given: Any) -> Any:
    return policy(energy={"pue": 1.5, **given}).spec.energy


def test_a_meter_is_believed() -> None:
    """7,200,000 J in two hours are 1,000 W, 1,500 at the facility's meter; the query is filled."""
    asked: list[httpx.Request] = []
    answer = {"data": {"result": [{"value": [0, "7200000"]}]}}
    energy = _energy(promql='sum(joules{ns="$namespace",job="$job"}[$span])')
    found = _metering(answer, asked).metered(ended((1, 3, True)), made(), energy)
    assert found.power is not None
    assert (MEASURED, 1_500.0) == (found.power.quality, found.power.mid_w)
    assert 'sum(joules{ns="jobs",job="one"}[7200s])' == asked[0].url.params["query"]


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"result": []}},
        {"data": {"result": [{"value": [0, "NaN"]}]}},
        {"data": {"result": [{"value": [0, "0"]}]}},
        {"error": "no"},
    ],
)
def test_a_meter_that_knows_nothing_is_no_zero(answer: Any) -> None:
    """No series, no number, zero or an error leave the power that was assumed."""
    before = ended((1, 3, True))
    assert before == _metering(answer).metered(before, made(), _energy(promql="x"))


def test_watts_are_those_of_the_node() -> None:
    """A Job of 2 cores on a node of a known type takes 2 x 2 W x PUE, else the policy's own."""
    known = _metering({}).metered(
        ended((1, 3, True)), made(), _energy(instanceTypes={"big": RATES})
    )
    assert known.power is not None
    assert (ASSUMED, 6.0) == (known.power.quality, known.power.mid_w)
    other = _metering({}).metered(
        ended((1, 3, True)), made(), _energy(instanceTypes={"small": RATES})
    )
    assert other.power is not None
    assert math.isclose(2 * 2.12 * 1.5, other.power.mid_w)
