"""The promises on the fake API server, over HTTP, through the official client."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from greensched.controller.cluster import OfficialCluster
from greensched.units import MS_PER_S
from tests.controller.driver import Server, close
from tests.controller.http import served
from tests.controller.promises import *  # noqa: F403
from tests.controller.promises_of_plans import *  # noqa: F403
from tests.controller.runner import Runner
from tests.controller.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Person:
    """A human of the fake server."""

    def __init__(self, url: str) -> None:
        """Open no connection yet."""
        self.client = httpx.Client(base_url=url, timeout=10)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self.client.request(method, path, json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        """Return an object or a list."""
        return self._ask("GET", path)

    def create(self, path: str, body: Any) -> Any:
        """Return the object made."""
        return self._ask("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        """Return the object after a merge patch."""
        return self._ask("PATCH", path, body)

    def delete(self, path: str) -> Any:
        """Delete an object."""
        return self._ask("DELETE", path)


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a fake server, on which Jobs run in real time."""
    from kubernetes.client import Configuration

    store = Store(lambda: int(time.time() * MS_PER_S))
    runner = Runner(store)
    over = threading.Event()
    with served(store) as front:

        def run() -> None:
            while not over.wait(0.02):
                with front.lock:
                    runner.step(store.now_ms())

        thread = threading.Thread(target=run)
        thread.start()
        cluster = OfficialCluster(Configuration(host=front.url))
        person = Person(front.url)
        yield Server(cluster, cluster, cluster, person, "jobs")
        over.set()
        thread.join()
        person.client.close()
        close(cluster)
