"""The shipped roles allow what is needed and nothing else; who tests is bound to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from greensched.controller.lease import NAME
from tests.cluster.api import JOBS, Api, RefusedError, job
from tests.cluster.conftest import STRANGER, WAY_OUT
from tests.cluster.worker import CONTROLLER, SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.conftest import Command
    from tests.cluster.control_plane import ControlPlane

Right = tuple[str, str, str]  # group, resource, verb

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def _rights(*groups: tuple[str, str, str]) -> set[Right]:
    return {(g, resource, verb) for g, resource, verbs in groups for verb in verbs.split()}


ANYWHERE = {
    CONTROLLER: _rights(
        ("batch", "jobs", "get list watch patch"),
        ("batch", "cronjobs", "get list"),
        ("", "pods", "get list"),
        ("", "nodes", "get list"),
        ("events.k8s.io", "events", "create"),
        ("greensched.io", "deferrals", "get list watch create update"),
        ("greensched.io", "carbonpolicies", "get list watch"),
        ("greensched.io", "carbonpolicies/status", "update"),
    ),
    WAY_OUT: _rights(
        ("batch", "jobs", "get list patch"),
        ("batch", "cronjobs", "get"),
        ("greensched.io", "deferrals", "list"),
        ("greensched.io", "carbonpolicies", "list"),
    ),
}
AT_HOME = {CONTROLLER: _rights(("coordination.k8s.io", "leases", "create")), WAY_OUT: set[Right]()}
# What Kubernetes itself lets every user ask: who am I, and may I?
ANYBODY = {
    ("authentication.k8s.io", "selfsubjectreviews", "create"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "create"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "create"),
}


def _served(admin: Api) -> Iterator[tuple[str, str]]:
    """Yield group and name of every resource that the server has."""
    groups = [("", "/api/v1")]
    for group in admin.get("/apis")["groups"]:
        groups += [(group["name"], f"/apis/{v['groupVersion']}") for v in group["versions"]]
    for group, path in groups:
        yield from ((group, one["name"]) for one in admin.get(path)["resources"])


def _allowed(admin: Api, user: str, right: Right, namespace: str) -> bool:
    group, resource, verb = right
    resource, _, part = resource.partition("/")
    asked = {"group": group, "resource": resource, "subresource": part, "verb": verb}
    review = {
        "spec": {
            "user": user,
            "groups": ["system:authenticated"],
            "resourceAttributes": {**asked, "namespace": namespace},
        }
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer: bool = admin.create(path, review)["status"]["allowed"]
    return answer


@pytest.mark.parametrize("user", [CONTROLLER, WAY_OUT])
@pytest.mark.parametrize("namespace", ["default", SPACE])
def test_every_verb_beyond_the_list_is_refused(
    shipped: ControlPlane, admin: Api, user: str, namespace: str
) -> None:
    """Of all verbs on all resources of the server exactly the listed ones are allowed."""
    every = {(*one, verb) for one in set(_served(admin)) for verb in VERBS}
    expected = ANYWHERE[user] | ANYBODY | (AT_HOME[user] if namespace == SPACE else set())
    assert expected <= every
    assert sorted(expected) == sorted(r for r in every if _allowed(admin, user, r, namespace))


@pytest.fixture
def controller(shipped: ControlPlane) -> Iterator[Api]:
    """Return who has the shipped controller's rights."""
    with Api(shipped, CONTROLLER) as one:
        yield one


def test_the_list_is_of_the_server(controller: Api, admin: Api, space: str) -> None:
    """The server itself refuses as it says: no Job is made or deleted, no Secret read."""
    admin.create(JOBS.format(space), job("one"))
    path = f"{JOBS.format(space)}/one"
    assert "one" == controller.get(path)["metadata"]["name"]
    for method, address, body in (
        ("POST", JOBS.format(space), job("two")),
        ("DELETE", path, None),
        ("PUT", path, job("one")),
        ("GET", f"/api/v1/namespaces/{space}/secrets", None),
        ("GET", "/api/v1/secrets", None),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler", None),
    ):
        with pytest.raises(RefusedError, match="403"):
            controller.ask(method, address, body)


def test_only_the_own_lease(controller: Api, admin: Api) -> None:
    """Who leads is written into one lease by name, beside which none can be read."""
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{SPACE}/leases"
    controller.create(leases, {"metadata": {"name": NAME}})
    assert NAME == controller.get(f"{leases}/{NAME}")["metadata"]["name"]
    admin.delete(f"{leases}/{NAME}")
    admin.create(leases, {"metadata": {"name": "other"}})
    with pytest.raises(RefusedError, match="403"):
        controller.get(f"{leases}/other")


# Of scope=namespace: at home all but what belongs to the whole cluster, elsewhere that alone.
CLUSTERS = {
    CONTROLLER: _rights(
        ("", "nodes", "get list"),
        ("greensched.io", "carbonpolicies", "get list watch"),
        ("greensched.io", "carbonpolicies/status", "update"),
    ),
    WAY_OUT: _rights(("greensched.io", "carbonpolicies", "list")),
}


@pytest.fixture
def narrow(helm: Command, kubectl: Command, admin: Api) -> Iterator[str]:
    """Bind the accounts of a release of scope=namespace; return its namespace and name."""
    name = admin.namespace("narrow")
    words = ("--namespace=narrow", "--no-hooks", "--kube-version=1.36", "--set=scope=namespace")
    kinds = r"^kind: ((Cluster)?Role(Binding)?|ServiceAccount)$"
    parts = helm("template", name, "k8s/chart", *words).split("\n---\n")
    text = "\n---\n".join(p for p in parts if re.search(kinds, p, re.MULTILINE))
    kubectl("apply", "--server-side", "-f", "-", text=text)
    yield name
    kubectl("delete", "-f", "-", text=text)


def test_in_one_namespace_the_rights_end_with_it(
    shipped: ControlPlane, narrow: str, admin: Api
) -> None:
    """With scope=namespace Jobs, records and Events of other namespaces are out of reach."""
    for account, right in ((narrow, CONTROLLER), (f"{narrow}-release", WAY_OUT)):
        user = f"system:serviceaccount:{narrow}:{account}"
        every = {(*one, verb) for one in set(_served(admin)) for verb in VERBS}
        for namespace, expected in (
            (narrow, ANYWHERE[right] | AT_HOME[right]),
            ("default", CLUSTERS[right]),
        ):
            found = {r for r in every if _allowed(admin, user, r, namespace)}
            assert sorted(expected | ANYBODY) == sorted(found)


def test_a_stranger_has_no_rights(shipped: ControlPlane, space: str) -> None:
    """Who is bound to no role sees nothing, so the rights above come from the shipped ones."""
    with Api(shipped, STRANGER) as one, pytest.raises(RefusedError, match="403"):
        one.get(JOBS.format(space))
