"""What the server itself refuses of policies, before anything of ours has read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.api import DEFERRALS, POLICIES, RefusedError

if TYPE_CHECKING:
    from tests.cluster.api import Api, Json
    from tests.cluster.conftest import Command
    from tests.cluster.control_plane import ControlPlane

LEAST = {"zone": "GB", "provider": "great-britain"}
WATTS = {"low": 1, "mid": 2.5, "high": 4}
ALL: dict[str, Any] = {
    **LEAST,
    "namespaces": ["jobs", "team-a"],
    "capacity": {"cpu": "1.5"},
    "defaults": {"maxDelay": "1d12h", "duration": "90m"},
    "energy": {
        "pue": 1.3,
        "promql": "sum(x)",
        "wattsPerCore": WATTS,
        "wattsPerGpu": WATTS,
        "instanceTypes": {"m5.large": {"wattsPerCore": WATTS}},
    },
    "paused": True,
}


def _body(spec: Json) -> Json:
    return {
        "apiVersion": "greensched.io/v1alpha1",
        "kind": "CarbonPolicy",
        "metadata": {"generateName": "test-"},
        "spec": spec,
    }


@pytest.mark.parametrize(
    "spec",
    [LEAST, ALL, {**LEAST, "capacity": {"cpu": 200}}, {**LEAST, "capacity": {"cpu": "500m"}}],
)
def test_a_policy_that_is_right_is_kept_whole(
    shipped: ControlPlane, admin: Api, spec: Json
) -> None:
    """What a policy says is kept as it is: the definition knows every field."""
    made = admin.create(f"{POLICIES}?fieldValidation=Strict", _body(spec))
    assert spec == made["spec"]
    admin.delete(f"{POLICIES}/{made['metadata']['name']}")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"zone": ""}, "spec.zone"),
        ({"provider": None}, "spec.provider: Required"),
        ({"capacity": {"cpu": 0}}, "a number of cores above 0"),
        ({"capacity": {"cpu": "0.0"}}, "a number of cores above 0"),
        ({"capacity": {"cpu": "2Gi"}}, "a number of cores above 0"),
        ({"capacity": {}}, "spec.capacity.cpu"),
        ({"defaults": {"maxDelay": "12"}}, "a span such as 12h"),
        ({"defaults": {"maxDelay": "0h"}}, "a span such as 12h"),
        ({"defaults": {"duration": "1h 30m"}}, "a span such as 12h"),
        ({"namespaces": ["Jobs"]}, "spec.namespaces"),
        ({"namespaces": ["jobs", "jobs"]}, "Duplicate value"),
        ({"energy": {"pue": 0.9}}, "spec.energy.pue"),
        ({"energy": {"wattsPerCore": {"low": 3, "mid": 2, "high": 4}}}, "low is at most mid"),
        ({"energy": {"wattsPerGpu": {"mid": 2}}}, "wattsPerGpu.low"),
        ({"paused": "yes"}, "spec.paused"),
    ],
)
def test_a_policy_that_is_wrong_is_refused(
    shipped: ControlPlane, admin: Api, change: Json, told: str
) -> None:
    """The server refuses a policy that cannot be followed, and says what is wrong."""
    spec = {name: value for name, value in {**LEAST, **change}.items() if value is not None}
    with pytest.raises(RefusedError) as refused:
        admin.create(POLICIES, _body(spec))
    assert told in str(refused.value)
    assert 422 == refused.value.status


def test_a_misspelt_field_is_told(shipped: ControlPlane, admin: Api) -> None:
    """A field that no policy has is refused by clients that validate, as kubectl does."""
    with pytest.raises(RefusedError, match="maxDelays"):
        admin.create(
            f"{POLICIES}?fieldValidation=Strict", _body({**LEAST, "defaults": {"maxDelays": "1h"}})
        )


def test_the_examples_are_taken(shipped: ControlPlane, kubectl: Command, space: str) -> None:
    """Every example is valid to the server as it stands."""
    words = ("create", "--dry-run=server", "--validate=strict", "-n", space, "-f", "k8s/examples")
    assert 4 == kubectl(*words).count("created (server dry run)")


def test_a_record_keeps_what_is_remembered(shipped: ControlPlane, admin: Api, space: str) -> None:
    """Fields that the definition does not name are kept: they are the controller's memory."""
    spec = {"job": "a", "uid": "b", "phase": "Waiting", "createdMs": 1, "runs": [[1, 2, True]]}
    body = {
        "apiVersion": "greensched.io/v1alpha1",
        "kind": "Deferral",
        "metadata": {"name": "job-b"},
        "spec": {**spec, "power": {"low_w": 1.5}},
    }
    made = admin.create(DEFERRALS.format(space), body)
    assert body["spec"] == made["spec"]
