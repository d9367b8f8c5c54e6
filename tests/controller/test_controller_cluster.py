"""The official client against a server on loopback: what is sent, and what refusals mean."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from greensched.controller import cluster as module
from greensched.controller.api import DEFERRALS, EVENTS, JOBS, NODES, PODS, ApiError, pages
from greensched.controller.cluster import connect
from greensched.controller.job import read_job
from greensched.controller.names import SELECTOR
from greensched.controller.patches import released
from greensched.controller.reflector import Changed, Listed, Reflector
from greensched.errors import UsageError
from tests.controller.cases import job_body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.controller.conftest import Server

PATH = "/apis/batch/v1/namespaces/jobs/jobs"


def test_a_patch_says_which_version_it_is_of(server: Server) -> None:
    """A strategic merge patch of the version that was seen is taken; of an older one it is 409."""
    server.make(PATH, job_body("one"))
    cluster = server.connect()
    job = read_job(cluster.get(JOBS, "jobs", "one"))
    body = released(job, 0, "runs now")
    after = cluster.patch_job("jobs", "one", body)
    assert not after["spec"]["suspend"]
    assert ("PATCH", f"{PATH}/one", "application/strategic-merge-patch+json") == (
        server.front.requests[-1]
    )
    with pytest.raises(ApiError) as stale:
        cluster.patch_job("jobs", "one", body)
    assert (409, False) == (stale.value.status, stale.value.is_passing)


def test_long_lists_come_in_pages(server: Server) -> None:
    """Of 1,100 Jobs none is lost or twice, in three pages; the label selects on the server."""
    for i in range(1_100):
        server.make(PATH, job_body(f"job-{i}"))
    server.make(PATH, {"metadata": {"name": "other"}, "spec": {}})
    found = list(pages(server.connect(), JOBS, "", SELECTOR))
    assert [500, 500, 100] == [len(page["items"]) for page in found]
    assert 1_100 == len({one["metadata"]["uid"] for page in found for one in page["items"]})


def test_all_kinds_are_reached(server: Server) -> None:
    """Custom kinds are made and replaced, Events made, Pods and nodes listed."""
    cluster = server.connect()
    made = cluster.create(DEFERRALS, "jobs", {"metadata": {"name": "job-u"}, "spec": {"a": 1}})
    after = cluster.replace(DEFERRALS, "jobs", "job-u", {**made, "spec": {"a": 2}})
    assert {"a": 2} == after["spec"]
    cluster.create(EVENTS, "jobs", {"metadata": {"name": "e"}})
    assert [] == cluster.page(PODS)["items"] == cluster.page(NODES)["items"]


@pytest.mark.parametrize(
    ("status", "headers", "after_s", "passing"),
    [
        (429, {"retry-after": "7"}, 7.0, True),
        (503, {}, None, True),
        (500, {}, None, True),
        (403, {}, None, False),
        (422, {}, None, False),
    ],
)
def test_refusals(
    server: Server, status: int, headers: dict[str, str], after_s: float | None, passing: bool
) -> None:
    """A refusal is raised at once with its `Retry-After`; the client does not retry by itself."""
    server.front.refusals.append((status, headers))
    began_s = time.monotonic()
    with pytest.raises(ApiError) as error:
        server.connect().get(JOBS, "jobs", "one")
    assert time.monotonic() - began_s < 5.0
    assert (status, after_s, passing) == (
        error.value.status,
        error.value.after_s,
        error.value.is_passing,
    )
    assert 1 == len(server.front.requests)


def test_a_watch_goes_on_where_it_was(server: Server) -> None:
    """After a list changes are told as they come; a compacted history is listed again."""
    news: list[Listed | Changed] = []
    cluster = server.connect()
    server.front.RequestHandlerClass.timeouts = 0.3  # type: ignore[attr-defined]
    one = Reflector(
        cluster, JOBS, read_job, news.append, lambda: int(time.time() * 1_000), label=SELECTOR
    )
    server.make(PATH, job_body("one"))
    one.turn()
    server.make(PATH, job_body("two"))
    server.patch(f"{PATH}/one", {"metadata": {"labels": {"greensched.io/defer": None}}})
    one.turn()
    told = [(n.value.name, n.is_gone) for n in news if isinstance(n, Changed)]
    assert [("two", False), ("one", True)] == told
    server.store.compact()
    server.make(PATH, job_body("three"))
    server.store.compact()
    one.turn()
    one.turn()
    last = news[-1]
    assert isinstance(last, Listed)
    assert {"two", "three"} == {job.name for job in last.objects.values()}


def test_a_silent_stream_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch on which nothing comes for the time allowed ends in an error that may pass."""
    monkeypatch.setattr(module, "STILL_S", 0.3)
    server.front.RequestHandlerClass.timeouts = 5.0  # type: ignore[attr-defined]
    began_s = time.monotonic()
    with pytest.raises(ApiError) as error:
        list(server.connect().watch(JOBS, version="1"))
    assert 0 == error.value.status
    assert time.monotonic() - began_s < 4.0


def test_the_skew_of_clocks_is_the_servers_date(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a clock of ours that is an hour ahead the server's is 3,600 s behind."""
    cluster, now_s = server.connect(), time.time()
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now_s + 3_600))
    cluster.page(NODES)
    assert -3_603_000 < cluster.skew_ms <= -3_599_000


def test_no_cluster_is_told(tmp_path: Path) -> None:
    """A kubeconfig that is not there is an error with a remedy, no traceback."""
    with pytest.raises(UsageError, match="--kubeconfig"):
        connect(tmp_path / "nothing")
