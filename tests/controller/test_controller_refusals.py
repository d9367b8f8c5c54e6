"""Which refusals of a patch are for good, and which are tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from greensched.controller.api import ApiError
from greensched.controller.cache import Cache
from greensched.controller.job import read_job
from greensched.controller.writes import Writes
from tests.controller.cases import job_body

if TYPE_CHECKING:
    from greensched.controller.api import Json


class _Refusing:
    """A server that refuses the first patch and takes the next ones."""

    def __init__(self, status: int) -> None:
        self.status, self.asked = status, 0

    def patch_job(self, *_where: str | Json) -> Json:
        self.asked += 1
        if self.asked == 1:
            raise ApiError("patch", self.status, "no")
        return _raw()


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
    assert not writes.patch(job, {})
    assert (asked == 2) == writes.patch(job, {})
    assert asked == server.asked
