"""How the power of a Job comes to be known."""

from __future__ import annotations

import math
import socket
import time
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from greensched.controller.energy import ASSUMED, MEASURED
from greensched.controller.metering import LaterError, Metering
from greensched.controller.settle import PATIENCE_MS
from greensched.controller.settler import Settler
from greensched.providers.web import Web
from tests.controller.cases import START_MS
from tests.controller.client import Clock, FakeCluster
from tests.controller.store import Store
from tests.controller.test_controller_settle import H, ended, grid
from tests.controller.test_controller_settler import Known
from tests.controller.test_controller_terms import made, policy

if TYPE_CHECKING:
    from greensched.controller.writes import Writes
    from tests.controller.conftest import Server

SHORT_S = 0.5
RATES = {
    "watts_per_core": {"low": 1, "mid": 2, "high": 3},
    "watts_per_gpu": {"low": 0, "mid": 0, "high": 0},
}


def _metering(answer: Any, asked: list[httpx.Request] | None = None) -> Metering:
    """Return a metering at the begin of a turn; an `answer` that is an error is raised."""

    def answered(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        if isinstance(answer, Exception):
            raise answer
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
    made = Metering(
        cluster,
        lambda: 0.0,
        "http://127.0.0.1:9090",
        lambda: Web.open(transport, attempts=1),
    )
    made.begin_turn()
    return made


def _energy(**given: Any) -> Any:
    return policy(energy={"pue": 1.5, **given}).spec.energy


def test_a_meter_is_believed() -> None:
    """7,200,000 J in two hours are 1,000 W, 1,500 at the facility's meter; the query is filled."""
    asked: list[httpx.Request] = []
    answer = {"data": {"result": [{"value": [0, "7200000"]}]}}
    energy = _energy(promql='sum(joules{ns="$namespace",job="$job"}[$span])')
    found = _metering(answer, asked).metered(ended((1, 3, True)), energy)
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
    assert before == _metering(answer).metered(before, _energy(promql="x"))


def test_a_meter_that_does_not_answer_is_asked_once_a_turn() -> None:
    """After one silence nothing more is asked until the next turn begins."""
    asked: list[httpx.Request] = []
    metering, energy = _metering(httpx.ReadTimeout("slow"), asked), _energy(promql="x")
    for turns in (1, 2):
        for _ in range(3):
            with pytest.raises(LaterError):
                metering.metered(ended((1, 3, True)), energy)
        assert turns == len(asked)
        metering.begin_turn()


def test_a_job_is_settled_once_its_meter_answers() -> None:
    """While the meter is silent the Job stays open; after 72 h assumed watts settle it."""
    energy = {"promql": "x", "pue": 1.0}
    specs = {"default": policy(energy=energy).spec}
    silent, answer = httpx.ConnectError("down"), {"data": {"result": [{"value": [0, "7200000"]}]}}
    for seen, after_ms, quality in (
        (silent, 0, None),
        (answer, 0, MEASURED),
        (silent, PATIENCE_MS, ASSUMED),
    ):
        known = Known(grid(300, 300, 100), {"u": ended((1, 3, True))})
        settler = Settler(known, _metering(seen), cast("Writes", known), None)
        settler.turn(dict(known.records), specs, START_MS + 3 * H + after_ms)
        found = known.records["u"]
        assert quality == (found.power.quality if found.is_final and found.power else None)


def test_a_meter_that_hangs_holds_up_no_turn(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for 20 Jobs, a meter that accepts and never answers takes one short wait."""
    monkeypatch.setattr("greensched.controller.metering.ANSWER_S", SHORT_S)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        metering = Metering(server.connect(), time.monotonic, url)
        metering.begin_turn()
        began_s = time.monotonic()
        for _ in range(20):
            with pytest.raises(LaterError):
                metering.metered(ended((1, 3, True)), _energy(promql="x"))
        assert SHORT_S <= time.monotonic() - began_s < 10 * SHORT_S


def test_watts_are_those_of_the_node() -> None:
    """A Job of 2 cores on a node of a known type takes 2 x 2 W x PUE, else the policy's own."""
    known = _metering({}).on_nodes(
        ended((1, 3, True)), made(), _energy(instanceTypes={"big": RATES})
    )
    assert known.power is not None
    assert (ASSUMED, 6.0) == (known.power.quality, known.power.mid_w)
    other = _metering({}).on_nodes(
        ended((1, 3, True)), made(), _energy(instanceTypes={"small": RATES})
    )
    assert other.power is not None
    assert math.isclose(2 * 2.12 * 1.5, other.power.mid_w)
