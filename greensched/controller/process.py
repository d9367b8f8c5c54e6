"""The running controller: threads that watch, one that keeps the lease, and the loop of turns."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from greensched.controller.api import ApiError
from greensched.controller.lease import RETRY_S
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from greensched.controller.api import Cluster, Json, Kind
    from greensched.controller.lease import Lease
    from greensched.controller.main import Controller
    from greensched.controller.metrics import Metrics
    from greensched.controller.reflector import Changed, Listed, Reflector

log = logging.getLogger("greensched")
PATIENCE_S: Final = 2.0  # after a refusal that says no time
PATIENCE_MAX_S: Final = 30.0
GATHERED_S: Final = 0.2  # news that come together are looked at together
TURN_MAX_S: Final = 60.0


class Guarded:
    """A `Cluster` to which is written only while `may_write`; reading is free."""

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool], metrics: Metrics) -> None:
        """Guard a cluster; refusals are counted."""
        self._cluster, self._may_write, self._metrics = cluster, may_write, metrics

    @property
    def skew_ms(self) -> int:
        """Return the cluster's."""
        return self._cluster.skew_ms

    def page(self, kind: Kind, *, namespace: str = "", label: str = "", more: str = "") -> Json:
        """Return the cluster's."""
        return self._cluster.page(kind, namespace=namespace, label=label, more=more)

    def watch(
        self, kind: Kind, *, version: str, namespace: str = "", label: str = ""
    ) -> Iterator[Json]:
        """Return the cluster's."""
        return self._cluster.watch(kind, version=version, namespace=namespace, label=label)

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return the cluster's."""
        return self._cluster.get(kind, namespace, name)

    def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """Make an object, or raise ApiError."""
        with self._writing():
            return self._cluster.create(kind, namespace, body)

    def patch_job(self, namespace: str, name: str, body: Json) -> Json:
        """Patch a Job, or raise ApiError."""
        with self._writing():
            found = self._cluster.patch_job(namespace, name, body)
        suspend = body.get("spec", {}).get("suspend")
        self._metrics.acted({None: "announce", True: "pause", False: "release"}[suspend])
        return found

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Json, *, part: str = ""
    ) -> Json:
        """Replace an object, or raise ApiError."""
        with self._writing():
            return self._cluster.replace(kind, namespace, name, body, part=part)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._may_write():
            raise ApiError("lease", 0, "it may be another's by now, so nothing is written")
        try:
            yield
        except ApiError as error:
            self._metrics.refused(error.status)
            raise


class Process:
    """Runs a controller until `stop` is set; metrics are shown after every turn."""

    def __init__(
        self,
        controller: Controller,
        lease: Lease,
        stop: threading.Event,
        metrics: Metrics,
        namespace: str = "",
    ) -> None:
        """Prepare threads; none is started."""
        self._controller, self._lease, self._stop, self._metrics = controller, lease, stop, metrics
        self._news: queue.SimpleQueue[Listed | Changed | None] = queue.SimpleQueue()
        reflectors = controller.reflectors(self._news.put, namespace)
        self._threads = [
            threading.Thread(target=self._watch, args=(one,), daemon=True) for one in reflectors
        ]
        self._threads.append(threading.Thread(target=self._keep_lease, daemon=True))

    def run(self) -> None:
        """Work until stopped, then let go of the lease."""
        for thread in self._threads:
            thread.start()
        wait_s = 0.0
        while not self._stop.is_set():
            self._gather(wait_s)
            self._metrics.lead(is_leader=self._lease.holds())
            wait_s = self._turn() if self._lease.holds() else RETRY_S
        try:
            self._lease.release()
        except ApiError as error:
            log.warning("the lease runs out by itself: %s", error)

    def wake(self) -> None:
        """Have the loop look now; for signals."""
        self._news.put(None)

    def _turn(self) -> float:
        """Take one turn; return how long to wait [s]."""
        controller, began_s = self._controller, time.monotonic()
        try:
            next_ms = controller.turn()
        except ApiError as error:
            log.warning("%s", error)
            return min(PATIENCE_MAX_S, error.after_s or PATIENCE_S)
        finally:
            self._metrics.show(controller, time.monotonic() - began_s)
        return min(TURN_MAX_S, max(0.0, (next_ms - controller.now_ms()) / MS_PER_S))

    def _gather(self, wait_s: float) -> None:
        """Wait for news, or so long; take in all that there are."""
        try:
            first = self._news.get(timeout=wait_s) if wait_s > 0 else self._news.get_nowait()
        except queue.Empty:
            return
        if first is not None:
            self._controller.cache.take(first)
            self._stop.wait(GATHERED_S)
        while True:
            try:
                more = self._news.get_nowait()
            except queue.Empty:
                return
            if more is not None:
                self._controller.cache.take(more)

    def _watch(self, reflector: Reflector) -> None:
        """List and watch one kind for ever; after refusals wait longer each time."""
        wait_s = PATIENCE_S
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                reflector.turn()
                wait_s = PATIENCE_S
            except ApiError as error:
                log.warning("%s", error)
                self._metrics.refused(error.status)
                if time.monotonic() - began_s > PATIENCE_MAX_S:
                    wait_s = PATIENCE_S  # it had worked for a while
                jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
                self._stop.wait(error.after_s or wait_s * jitter)
                wait_s = min(PATIENCE_MAX_S, 2 * wait_s)

    def _keep_lease(self) -> None:
        held = False
        while not self._stop.is_set():
            try:
                self._lease.turn()
            except ApiError as error:
                log.warning("lease: %s", error)
            if self._lease.holds() != held:
                held = not held
                log.warning("this replica %s", "acts" if held else "stands by")
                self.wake()
            self._stop.wait(RETRY_S * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
