"""The fake API server as a controller sees it, with the faults of a network between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Any

from greensched.controller.api import PAGE, ApiError
from greensched.units import MS_PER_S
from tests.controller.store import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from greensched.controller.api import Json, Kind
    from tests.controller.store import Store

STILL_S = 75  # without a word on a stream, after which it is given up


class CrashError(BaseException):
    """The process dies here; nothing of it catches this."""


@dataclass
class Clock:
    """A clock that stands still unless it is told."""

    time_ms: int

    def now_ms(self) -> int:
        """Return the time."""
        return self.time_ms


@dataclass
class Faults:
    """How likely each fault is at each call; all 0: none."""

    random: Random = field(default_factory=Random)
    overload: float = 0.0  # 429 with Retry-After
    failure: float = 0.0  # 500 or 503
    forbidden: float = 0.0  # 403 to a patch, as while a server that started reads its roles
    silence: float = 0.0  # no answer, nothing done
    lost: float = 0.0  # done, but the answer is lost
    crash: float = 0.0  # before or after the call
    slow: float = 0.0  # up to 20 s
    cut: float = 0.0  # of a stream, after some events
    repeated: float = 0.0  # events again
    swapped: float = 0.0  # two events
    still: float = 0.0  # a stream that says nothing
    race: float = 0.0  # somebody changes a Job just before our write of it arrives
    stale_ms: int = 0  # watches lag behind so long
    partitioned: bool = False

    def happens(self, chance: float) -> bool:
        """Tell whether a fault comes now."""
        return chance > 0 and self.random.random() < chance


def drawn_faults(random: Random) -> Faults:
    """Return faults of a network: none, few or many."""
    r, scale = random, random.choice((0.0, 0.3, 1.0))
    return Faults(
        random=Random(r.random()),  # noqa: S311 - no secret
        overload=r.choice((0, 0.05)) * scale,
        failure=r.choice((0, 0.05)) * scale,
        forbidden=r.choice((0, 0.1)) * scale,
        silence=r.choice((0, 0.03)) * scale,
        lost=r.choice((0, 0.05)) * scale,
        crash=r.choice((0, 0.01, 0.05)) * scale,
        slow=r.choice((0, 0.05)) * scale,
        cut=r.choice((0, 0.2)) * scale,
        repeated=r.choice((0, 0.2)) * scale,
        swapped=r.choice((0, 0.2)) * scale,
        still=r.choice((0, 0.05)) * scale,
        race=r.choice((0, 0.1)) * scale,
        stale_ms=r.choice((0, 0, 2_000, 30_000)),
    )


class FakeCluster:
    """A `Cluster` on a store; `who` is told of every write."""

    def __init__(self, store: Store, clock: Clock, who: str, faults: Faults | None = None) -> None:
        """Begin with clocks that agree."""
        self.store, self.clock, self.who = store, clock, who
        self.faults = faults or Faults()
        self.local_skew_ms = 0  # our wall clock is so much ahead
        self.skew_ms = 0  # as a `Date` told
        self.calls = 0
        self.is_behind = False  # a stream ended before all that it had to tell
        self.meddle: Callable[[str], object] = str  # what people do, if anything

    def wall_ms(self) -> int:
        """Return what the clock of this process shows."""
        return self.clock.time_ms + self.local_skew_ms

    # -- the protocol --------------------------------------------------------------------------

    def page(self, kind: Kind, *, namespace: str = "", label: str = "", more: str = "") -> Json:
        """Return a page of a list."""
        query = {"limit": str(PAGE)}
        query |= {"labelSelector": label} if label else {}
        query |= {"continue": more} if more else {}
        return self._call("GET", _path(kind, namespace), query, None)

    def watch(
        self, kind: Kind, *, version: str, namespace: str = "", label: str = ""
    ) -> Iterator[Json]:
        """Yield what changed since, a bookmark at the end; then the stream ends."""
        faults = self.faults
        self._before(f"watch {kind.plural}")
        if faults.happens(faults.still):
            self.clock.time_ms += STILL_S * MS_PER_S
            raise ApiError(f"watch {kind.plural}", 0, f"nothing for {STILL_S} s")
        try:
            found = list(self.store.events(kind.plural, int(version), namespace, label))
        except RefusedError as refused:
            raise ApiError(f"watch {kind.plural}", refused.status, refused.message) from None
        told = len(found)
        found = [e for e in found if not self._is_late(e)]
        is_whole = not faults.stale_ms
        if found and faults.happens(faults.repeated):
            found.insert(faults.random.randrange(len(found) + 1), found[0])
            is_whole = False
        if len(found) > 1 and faults.happens(faults.swapped):
            i = faults.random.randrange(len(found) - 1)
            found[i], found[i + 1] = found[i + 1], found[i]
        if found and faults.happens(faults.cut):
            del found[faults.random.randrange(len(found)) :]
            is_whole = False
        self.is_behind |= len(found) < told
        yield from found
        if is_whole:
            yield self.store.bookmark(kind.plural)

    def _is_late(self, event: Json) -> bool:
        """Tell whether the server's own cache does not know of a change yet."""
        made = self.store.times.get(event["object"]["metadata"]["resourceVersion"], 0)
        return made > self.clock.time_ms - self.faults.stale_ms

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return one object."""
        return self._call("GET", _path(kind, namespace, name), {}, None)

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """Return the object made."""
        return self._call("POST", _path(kind, namespace), {}, body)

    def patch_job(self, namespace: str, name: str, body: Json) -> Json:
        """Return the Job patched."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
        if self.faults.happens(self.faults.race):
            self.meddle(name)
        if self.faults.happens(self.faults.forbidden):
            raise ApiError(f"PATCH {path}", HTTPStatus.FORBIDDEN, "no rights")
        return self._call("PATCH", path, {}, body)

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Json, *, part: str = ""
    ) -> Json:
        """Return the object replaced."""
        return self._call("PUT", _path(kind, namespace, name, part), {}, body)

    # -- the network ---------------------------------------------------------------------------

    def _before(self, where: str) -> None:
        self.calls += 1
        faults = self.faults
        if faults.partitioned:
            raise ApiError(where, 0, "no route")
        if faults.happens(faults.crash):
            raise CrashError(where)
        if faults.happens(faults.slow):
            self.clock.time_ms += faults.random.randrange(20 * MS_PER_S)
        if faults.happens(faults.overload):
            after_s = float(faults.random.randrange(1, 5))
            raise ApiError(where, HTTPStatus.TOO_MANY_REQUESTS, "overload", after_s)
        if faults.happens(faults.failure):
            status = faults.random.choice((500, 503))
            raise ApiError(where, status, "failure")
        if faults.happens(faults.silence):
            self.clock.time_ms += 10 * MS_PER_S
            raise ApiError(where, 0, "no answer in 10 s")

    def _call(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any] | None
    ) -> Json:
        where = f"{method} {path}"
        self._before(where)
        self.skew_ms = -self.local_skew_ms
        try:
            found = self.store.handle(method, path, query, body, self.who)
        except RefusedError as refused:
            raise ApiError(where, refused.status, refused.message) from None
        if self.faults.happens(self.faults.crash):
            raise CrashError(where)
        if self.faults.happens(self.faults.lost):
            raise ApiError(where, 0, "the answer was lost")
        return found


def _path(kind: Kind, namespace: str, name: str = "", part: str = "") -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    inside = f"/namespaces/{namespace}" if namespace else ""
    return "/".join((f"{root}{inside}/{kind.plural}", *filter(None, (name, part))))
