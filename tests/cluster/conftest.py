"""One control plane for all tests of a worker, and a namespace of its own for each test."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greensched.controller.lease import NAME
from tests.cluster.api import NODES, POLICIES, Api, RefusedError, node
from tests.cluster.binaries import DEFINITIONS, HELM, KUBERNETES, MissingError, programs
from tests.cluster.control_plane import ADMIN, ControlPlane, environment
from tests.cluster.worker import CONTROLLER, SPACE, Worker
from tests.conftest import ROOT
from tests.controller.cases import policy_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command = Callable[..., str]
    Hire = Callable[[str], Worker]

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SPACE}/leases/{NAME}"
WAY_OUT = f"system:serviceaccount:{SPACE}:greensched-release"
HOOK = f"system:serviceaccount:{SPACE}:greensched-release-all"
STRANGER = "stranger"
ACCOUNTS = ("system:serviceaccounts", f"system:serviceaccounts:{SPACE}")
USERS = {CONTROLLER: ACCOUNTS, WAY_OUT: ACCOUNTS, HOOK: ACCOUNTS, STRANGER: ()}
HERE = Path(__file__).parent
VERSION = os.environ.get("GREENSCHED_TEST_KUBERNETES") or KUBERNETES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, so that `make test` leaves it to `make test-cluster`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)


def _made(name: str) -> Path:
    try:
        return programs(name)
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a control plane with one node."""
    folder = tmp_path_factory.mktemp("plane")
    with ControlPlane(_made(VERSION), folder, USERS) as started:
        with Api(started, ADMIN) as admin:
            admin.create(NODES, node("node-1"))
        yield started


@pytest.fixture(scope="session")
def admin(plane: ControlPlane) -> Iterator[Api]:
    """Return who may do everything."""
    with Api(plane, ADMIN) as one:
        yield one


@pytest.fixture(scope="session")
def kubectl(plane: ControlPlane) -> Command:
    """Return kubectl, as the one who may do everything."""
    return _command(plane.programs / "kubectl", plane)


@pytest.fixture(scope="session")
def helm(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Return helm, as the one who may do everything."""
    return _command(_made(HELM) / "helm", plane, home=tmp_path_factory.mktemp("helm"))


def _command(program: Path, plane: ControlPlane, home: Path | None = None) -> Command:
    env = environment(plane.kubeconfig(ADMIN))
    if home is not None:
        env |= {f"HELM_{part}_HOME": str(home) for part in ("CACHE", "CONFIG", "DATA")}

    def run(*words: str, fails: bool = False, text: str | None = None) -> str:
        done = subprocess.run(
            [str(program), *words],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            input=text,
        )
        assert fails == bool(done.returncode), f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr if fails else done.stdout

    return run


@pytest.fixture(scope="session")
def shipped(plane: ControlPlane, kubectl: Command) -> ControlPlane:
    """Return the control plane with definitions and rights as the kustomize base ships them."""
    text = kubectl("kustomize", "k8s/base")
    kinds = r"^kind: (Namespace|CustomResourceDefinition|(Cluster)?Role(Binding)?|ServiceAccount)$"
    parts = [p for p in text.split("\n---\n") if re.search(kinds, p, re.MULTILINE)]
    kubectl("apply", "--server-side", "-f", "-", text="\n---\n".join(parts))
    names = ("crd/carbonpolicies.greensched.io", "crd/deferrals.greensched.io")
    kubectl("wait", "--for=condition=Established", *names)
    return plane


@pytest.fixture(scope="session")
def published(kubectl: Command) -> Path:
    """Return the folder of other programs' published definitions, which the server now has."""
    folder = _made(DEFINITIONS)
    kubectl("apply", "--server-side", *(f"--filename={one}" for one in folder.glob("*.yaml")))
    kubectl("wait", "--for=condition=Established", "crd", "--all")
    return folder


@pytest.fixture
def space(admin: Api, request: pytest.FixtureRequest) -> str:
    """Return a namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60].strip("-")
    return admin.namespace(name)


@pytest.fixture
def hire(shipped: ControlPlane, admin: Api, space: str, tmp_path: Path) -> Iterator[Hire]:
    """Return what starts replicas for the test's namespace, under a policy."""
    admin.create(POLICIES, policy_body(space, namespaces=[space]))
    hired: list[Worker] = []

    def start(name: str) -> Worker:
        hired.append(Worker(shipped, tmp_path, name, space))
        return hired[-1].start()

    yield start
    for worker in hired:
        worker.kill()
    admin.delete(f"{POLICIES}/{space}")
    with suppress(RefusedError):  # none may have led
        admin.delete(LEASE)
