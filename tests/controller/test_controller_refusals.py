"""Which refusals of a patch are for good, and which are tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from greensched.controller.api import ApiError
from greensched.controller.cache import Cache
from greensched.controller.job import read_job
from greensched.controller.writes import Writes, forbidden
from greensched.units import MS_PER_MIN, MS_PER_S
from tests.controller.cases import job_body

if TYPE_CHECKING:
    from greensched.controller.api import Json, Kind


class _Refusing:
    """A server that refuses so many patches and takes the next ones; Events are kept."""

    def __init__(self, status: int, count: int = 1) -> None:
        self.status, self.count, self.asked = status, count, 0
        self.told: list[Json] = []

    def patch_job(self, *_where: str | Json) -> Json:
        self.asked += 1
        if self.asked <= self.count:
            raise ApiError("patch", self.status, "no")
        return _raw()

    def create(self, _kind: Kind, _namespace: str, body: Json) -> Json:
        self.told.append(body)
        return body


def _raw() -> Json:
    body: Json = job_body("one")
    body["metadata"] |= {"uid": "u", "namespace": "jobs", "resourceVersion": "1"}
    return body


@pytest.mark.parametrize(("status", "asked"), [(403, 2), (401, 2), (422, 1), (400, 1)])
def test_rights_may_come_back(status: int, asked: int) -> None:
    """Without rights a patch is tried again, one that cannot be is not until the Job changes."""
    server: Any = _Refusing(status)
    writes = Writes(server, Cache(), "one")
    job = read_job(_raw())
    assert not writes.patch(job, {}, 0)
    assert (asked == 2) == writes.patch(job, {}, MS_PER_MIN)
    assert asked == server.asked
    told = f"cannot be patched: answered {status}: no"
    assert [told] == [one["note"] for one in server.told]


def test_what_is_forbidden_is_tried_ever_less_often() -> None:
    """Each wait is about twice the last, five minutes at most, and nobody asks in between."""
    server: Any = _Refusing(403, count=12)
    writes, job = Writes(server, Cache(), "one"), read_job(_raw())
    now_ms, waits_s = 0, []
    while not writes.patch(job, {}, now_ms):
        asked, next_ms = server.asked, writes.try_ms(job)
        assert next_ms is not None
        assert not writes.patch(job, {}, next_ms - 1)
        assert asked == server.asked
        assert 1 == writes.forbidden
        waits_s.append((next_ms - now_ms) / MS_PER_S)
        now_ms = next_ms
    expected_s = [min(300, 2 * 2**i) for i in range(12)]
    assert all(0.75 * e <= w <= 1.25 * e for e, w in zip(expected_s, waits_s, strict=True))
    assert len(set(waits_s)) == len(waits_s)
    assert 0 == writes.forbidden


def test_jobs_that_are_forbidden_are_not_tried_all_at_once() -> None:
    """Of a hundred Jobs that wait for the same right hardly two are tried at one instant."""
    assert len({forbidden(f"job-{i}", None, 0).until_ms for i in range(100)}) > 90
