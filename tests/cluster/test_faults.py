"""Processes are killed on a real control plane, and the promises hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.controller.lease import NAME
from greensched.providers.points import instant_ms
from greensched.units import MS_PER_S
from tests.cluster.api import JOBS, is_complete, job
from tests.cluster.conftest import LEASE
from tests.cluster.control_plane import wait_for
from tests.cluster.worker import forecast

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.api import Api
    from tests.cluster.conftest import Hire
    from tests.cluster.control_plane import ControlPlane

DIRTY_S = 30
NAMES = ("one", "two", "three")


def _notes(admin: Api, space: str, name: str) -> dict[str, str]:
    every = admin.get(f"{JOBS.format(space)}/{name}")["metadata"]["annotations"]
    return {k.removeprefix("greensched.io/"): v for k, v in every.items()}


def _make(admin: Api, space: str) -> None:
    for name in NAMES:
        admin.create(JOBS.format(space), job(name, max_delay="30m", duration="10s"))


def _planned(admin: Api, space: str) -> bool:
    return all("planned-start" in _notes(admin, space, name) for name in NAMES)


def _ran_once(admin: Api, space: str, clean_ms: int) -> None:
    """Wait until all have run; each was let run when it was clean, once, and had one Pod."""
    path = JOBS.format(space)
    wait_for(lambda: all(map(is_complete, admin.get(path)["items"])), "all completed", 150)
    pods = admin.get(f"/api/v1/namespaces/{space}/pods")["items"]
    owners = sorted(one["metadata"]["labels"]["job-name"] for one in pods)
    assert sorted(NAMES) == owners
    for name in NAMES:
        assert instant_ms(_notes(admin, space, name)["released-at"]) >= clean_ms - MS_PER_S


def test_a_killed_controller_loses_nothing(
    admin: Api, space: str, hire: Hire, tmp_path: Path
) -> None:
    """After SIGKILL while Jobs wait, the next controller lets each run once, in the clean time."""
    clean_ms = forecast(tmp_path, DIRTY_S)
    _make(admin, space)
    first = hire("first")
    wait_for(lambda: _planned(admin, space), "the Jobs are planned")
    first.kill()
    hire("second")
    _ran_once(admin, space, clean_ms)


@pytest.mark.parametrize("name", ["kube-apiserver", "etcd"])
def test_a_killed_server_loses_nothing(
    plane: ControlPlane, admin: Api, space: str, hire: Hire, tmp_path: Path, name: str
) -> None:
    """The controller outlives the API server and etcd, and goes on once they are there again."""
    clean_ms = forecast(tmp_path, DIRTY_S)
    _make(admin, space)
    worker = hire("only")
    wait_for(lambda: _planned(admin, space), "the Jobs are planned")
    plane.kill(name)
    wait_for(lambda: b"lease" in worker.log.read_bytes(), "the controller notices")
    plane.start(name)
    plane.await_api()
    _ran_once(admin, space, clean_ms)


def _leader(admin: Api) -> str:
    found = {m["metadata"]["name"]: m for m in admin.get(LEASE.rpartition("/")[0])["items"]}
    return found[NAME]["spec"].get("holderIdentity", "") if NAME in found else ""


def test_of_two_replicas_one_acts(admin: Api, space: str, hire: Hire, tmp_path: Path) -> None:
    """When who leads is killed the other takes over; when it is asked to end, at once."""
    clean_ms = forecast(tmp_path, DIRTY_S)
    first = hire("first")
    wait_for(lambda: _leader(admin) == "first", "the first leads")
    second = hire("second")
    _make(admin, space)
    wait_for(lambda: _planned(admin, space), "the Jobs are planned")
    wait_for(lambda: first.metric("leader") == 1, "the first says so")
    assert 0 == second.metric("leader")
    first.kill()
    wait_for(lambda: _leader(admin) == "second", "the second leads", within_s=30)
    _ran_once(admin, space, clean_ms)
    third = hire("third")
    wait_for(lambda: third.running and b"working as" in third.log.read_bytes(), "it stands by")
    assert 0 == second.stop()
    wait_for(lambda: _leader(admin) == "third", "the third leads", within_s=14)
