"""The control plane of the tests is a real one, and comes back from what tests do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.api import JOBS, is_complete, job
from tests.cluster.conftest import VERSION
from tests.cluster.control_plane import wait_for

if TYPE_CHECKING:
    from tests.cluster.api import Api
    from tests.cluster.control_plane import ControlPlane


def test_the_version_is_the_pinned_one(admin: Api) -> None:
    """The server says the version that the name of its module says."""
    _, _, minor = VERSION.partition("-")
    told = admin.get("/version")
    assert minor == f"{told['major']}.{told['minor']}"


def test_a_job_runs_once_it_is_not_suspended(admin: Api, space: str) -> None:
    """A suspended Job has no Pods, and one that is let run completes."""
    path = f"{JOBS.format(space)}/one"
    admin.create(JOBS.format(space), job("one"))
    wait_for(lambda: admin.get(path)["status"].get("conditions"), "the Job is seen")
    assert "Suspended" == admin.get(path)["status"]["conditions"][0]["type"]
    assert [] == admin.get(f"/api/v1/namespaces/{space}/pods")["items"]
    admin.patch(path, {"spec": {"suspend": False}})
    wait_for(lambda: is_complete(admin.get(path)), "the Job completes")


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver"])
def test_what_was_written_survives_a_kill(
    plane: ControlPlane, admin: Api, space: str, name: str
) -> None:
    """After SIGKILL and a new start everything is there, at the version that it had."""
    before = admin.create(JOBS.format(space), job("one"))
    plane.kill(name)
    plane.start(name)
    plane.await_api()
    after = admin.get(f"{JOBS.format(space)}/one")
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
