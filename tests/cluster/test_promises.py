"""The promises on a real control plane, under exactly the shipped rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.controller.cluster import connect
from tests.cluster.conftest import WAY_OUT
from tests.cluster.worker import CONTROLLER
from tests.controller.driver import Server, close
from tests.controller.promises import *  # noqa: F403

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.controller.cluster import OfficialCluster
    from tests.cluster.api import Api
    from tests.cluster.control_plane import ControlPlane


@pytest.fixture(scope="module")
def clusters(shipped: ControlPlane) -> Iterator[tuple[OfficialCluster, OfficialCluster]]:
    """Return the cluster as the controller sees it, and as the way out does."""
    users = (CONTROLLER, WAY_OUT)
    controller, way_out = (connect(shipped.kubeconfig(user)) for user in users)
    yield controller, way_out
    for one in (controller, way_out):
        close(one)


@pytest.fixture
def server(clusters: tuple[OfficialCluster, OfficialCluster], admin: Api, space: str) -> Server:
    """Return the real server, and a namespace of the test's own."""
    return Server(*clusters, admin, space)
