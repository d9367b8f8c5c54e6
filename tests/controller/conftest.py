"""A cluster over loopback HTTP that the real client and the commands reach."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from greensched.controller.cluster import connect
from tests.controller.http import served
from tests.controller.runner import Runner
from tests.controller.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from greensched.controller.cluster import OfficialCluster
    from tests.controller.http import Front

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: fake, cluster: {{server: "{url}"}}}}]
users: [{{name: fake, user: {{}}}}]
contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]
current-context: fake
"""


@dataclass
class Server:
    """A fake API server, and the kubeconfig that names it."""

    front: Front
    store: Store
    runner: Runner
    kubeconfig: Path

    def connect(self) -> OfficialCluster:
        """Return the real client, connected."""
        return connect(self.kubeconfig)

    def make(self, path: str, body: Any) -> Any:
        """Make an object as a user would."""
        with self.front.lock:
            return self.store.handle("POST", path, {}, body, "human")

    def patch(self, path: str, body: Any) -> Any:
        """Change an object as a user would."""
        with self.front.lock:
            return self.store.handle("PATCH", path, {}, body, "human")

    def job(self, name: str, namespace: str = "jobs") -> Any:
        """Return a Job as it is."""
        return self.store.objects["jobs", namespace, name]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Yield a server of the test's own."""
    store = Store(lambda: int(time.time() * 1_000))
    with served(store) as front:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(url=front.url), encoding="utf-8")
        yield Server(front, store, Runner(store), kubeconfig)
