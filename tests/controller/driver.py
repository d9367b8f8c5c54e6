"""A controller that is driven step by step against a server, fake or real, hours ahead of time.

The servers run in real time; the controller's own clock is `ahead_ms` before theirs, which a test
moves. So nothing waits for an hour to pass.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from greensched.controller.main import Clocks, Controller
from greensched.units import MS_PER_H, MS_PER_S
from tests.controller.grid import Grid, sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.controller.api import Cluster
    from greensched.controller.cluster import OfficialCluster

    Json = dict[str, Any]

DIRTY, CLEAN = 300.0, 100.0  # g/kWh
CLEAN_H = 6  # the hour from the start of this one that is clean
WAIT_S = 60.0


class Human(Protocol):
    """Somebody who has all rights, and does not go through the code under test."""

    def get(self, path: str) -> Json:
        """Return an object or a list."""

    def create(self, path: str, body: Json) -> Json:
        """Return the object made."""

    def patch(self, path: str, body: Json) -> Json:
        """Return the object after a merge patch."""

    def delete(self, path: str) -> Json:
        """Delete an object."""


@dataclass(frozen=True)
class Server:
    """A server as its accounts see it, and a human; a namespace to use."""

    cluster: Cluster  # the controller's
    way_out: Cluster  # of the CronJob release-overdue
    hook: Cluster  # of what runs at an uninstall
    human: Human
    space: str

    @property
    def jobs(self) -> str:
        """Return where the Jobs are."""
        return f"/apis/batch/v1/namespaces/{self.space}/jobs"

    def job(self, name: str) -> Json:
        """Return a Job as it is now."""
        return self.human.get(f"{self.jobs}/{name}")

    def notes(self, name: str) -> dict[str, str]:
        """Return our annotations of a Job, without their prefix."""
        every = self.job(name)["metadata"].get("annotations", {})
        return {k.removeprefix("greensched.io/"): v for k, v in every.items()}

    def is_suspended(self, name: str) -> bool:
        """Tell whether a Job is suspended."""
        return bool(self.job(name)["spec"].get("suspend"))

    def change(self, name: str, **changes: Any) -> None:
        """Change a Job as a human does: `suspend`, or annotations, `_` for `-`."""
        body: Json = {"spec": {}, "metadata": {"annotations": {}}}
        for key, value in changes.items():
            if key == "suspend":
                body["spec"][key] = value
            else:
                body["metadata"]["annotations"][f"greensched.io/{key.replace('_', '-')}"] = value
        self.human.patch(f"{self.jobs}/{name}", body)

    def record(self, uid: str) -> Json:
        """Return what is remembered of a Job."""
        path = f"/apis/greensched.io/v1alpha1/namespaces/{self.space}/deferrals/job-{uid}"
        found: Json = self.human.get(path)["spec"]
        return found

    def events(self, name: str) -> list[str]:
        """Return what was told of a Job, reason and sentence."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.space}/events"
        return [
            f"{one['reason']}: {one['note']}"
            for one in self.human.get(path)["items"]
            if one["regarding"].get("name") == name
            and one.get("reportingController") == "greensched.io/controller"
        ]


def close(cluster: OfficialCluster) -> None:
    """Close the connections of a client, which the client itself leaves to the end."""
    cluster._core.api_client.rest_client.pool_manager.clear()


def wait_for(ready: Callable[[], object], what: str) -> None:
    """Return once the server's own controllers have brought something about."""
    ends_s = time.monotonic() + WAIT_S
    while not ready():
        assert time.monotonic() < ends_s, f"not in {WAIT_S:.0f} s: {what}"
        time.sleep(0.05)


@dataclass
class Driver:
    """A controller of one namespace that knows the grid; a new one knows nothing of the last."""

    server: Server
    dry_run: bool = False
    clean_hours: tuple[int, ...] = (CLEAN_H,)
    ahead_ms: int = 0
    grid: Grid = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing known, in an hour that is dirty as all but some."""
        zero_ms = self._real_ms() // MS_PER_H * MS_PER_H
        hours = [CLEAN if h in self.clean_hours else DIRTY for h in range(48)]
        self.grid = Grid(zero_ms, tuple(hours + [DIRTY] * (24 * 7)))
        self.clean_ms = zero_ms + self.clean_hours[0] * MS_PER_H
        self.controller = Controller(
            self.server.cluster,
            sources(self.grid),
            Clocks(wall_ms=self.now_ms, steady_s=time.monotonic),
            "driver",
            dry_run=self.dry_run,
        )
        self._reflectors = self.controller.reflectors(namespace=self.server.space)

    @staticmethod
    def _real_ms() -> int:
        return int(time.time() * MS_PER_S)

    def now_ms(self) -> int:
        """Return the controller's time."""
        return self._real_ms() + self.ahead_ms

    def look(self) -> None:
        """List everything anew."""
        for reflector in self._reflectors:
            reflector._list()

    def turn(self) -> None:
        """See what is there and do what is to be done, until nothing more is."""
        for _ in range(3):  # what one turn writes, the next one records
            self.look()
            self.controller.turn()

    def go_to(self, time_ms: int) -> None:
        """Go to an instant and take a turn there."""
        self.ahead_ms = time_ms - self._real_ms()
        self.turn()
