"""The promises on a real control plane, under exactly the shipped rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.controller.cluster import connect
from tests.cluster.conftest import HOOK, WAY_OUT
from tests.cluster.worker import CONTROLLER
from tests.controller.driver import Server, close
from tests.controller.promises import *  # noqa: F403
from tests.controller.promises_of_plans import *  # noqa: F403

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.controller.cluster import OfficialCluster
    from tests.cluster.api import Api
    from tests.cluster.conftest import Command
    from tests.cluster.control_plane import ControlPlane


@pytest.fixture(scope="module")
def hooked(shipped: ControlPlane, helm: Command, kubectl: Command) -> ControlPlane:
    """Return the control plane with the rights of what runs at an uninstall, as shipped."""
    words = ("--namespace=greensched", "--show-only=templates/release-all.yaml")
    text = helm("template", "greensched", "k8s/chart", "--kube-version=1.36", *words)
    parts = [part for part in text.split("\n---\n") if "\nkind: Job\n" not in part]
    kubectl("apply", "--server-side", "-f", "-", text="\n---\n".join(parts))
    return shipped


@pytest.fixture(scope="module")
def clusters(hooked: ControlPlane) -> Iterator[tuple[OfficialCluster, ...]]:
    """Return the cluster as the controller sees it, the way out, and what runs at an uninstall."""
    found = tuple(connect(hooked.kubeconfig(user)) for user in (CONTROLLER, WAY_OUT, HOOK))
    yield found
    for one in found:
        close(one)


@pytest.fixture
def server(clusters: tuple[OfficialCluster, ...], admin: Api, space: str) -> Server:
    """Return the real server, and a namespace of the test's own."""
    cluster, way_out, hook = clusters
    return Server(cluster, way_out, hook, admin, space)
