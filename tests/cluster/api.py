"""Requests to the API server as one of its users, apart from the code under test."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

if TYPE_CHECKING:
    from types import TracebackType

    from tests.cluster.control_plane import ControlPlane

JOBS: Final = "/apis/batch/v1/namespaces/{}/jobs"
POLICIES: Final = "/apis/greensched.io/v1alpha1/carbonpolicies"
DEFERRALS: Final = "/apis/greensched.io/v1alpha1/namespaces/{}/deferrals"
NODES: Final = "/api/v1/nodes"
NAMESPACES: Final = "/api/v1/namespaces"
MERGE: Final = "application/merge-patch+json"

Json = dict[str, Any]


class RefusedError(RuntimeError):
    """The server refused; `status` is its code."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the code beside the words."""
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """A user of the API server."""

    def __init__(self, plane: ControlPlane, user: str) -> None:
        """Open no connection yet."""
        self.user = user
        self._client = httpx.Client(
            base_url=plane.url,
            headers={"Authorization": f"Bearer {plane.tokens[user]}"},
            verify=ssl.create_default_context(cafile=plane.authority),
            timeout=30,
        )

    def __enter__(self) -> Self:
        """Return it; its connections end with the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        self._client.close()

    def ask(self, method: str, path: str, body: Json | None = None, kind: str = MERGE) -> Json:
        """Return the answer; raises RefusedError."""
        headers = {"Content-Type": kind if method == "PATCH" else "application/json"}
        answer = self._client.request(method, path, json=body, headers=headers)
        found: Json = answer.json()
        if not answer.is_success:
            raise RefusedError(answer.status_code, found.get("message", ""))
        return found

    def get(self, path: str) -> Json:
        """Return an object or a list."""
        return self.ask("GET", path)

    def create(self, path: str, body: Json) -> Json:
        """Return the object made."""
        return self.ask("POST", path, body)

    def patch(self, path: str, body: Json) -> Json:
        """Return the object after a merge patch."""
        return self.ask("PATCH", path, body)

    def delete(self, path: str) -> Json:
        """Delete an object."""
        return self.ask("DELETE", path, {"propagationPolicy": "Background"})

    def namespace(self, name: str) -> str:
        """Make a namespace and return its name."""
        self.create(NAMESPACES, {"metadata": {"name": name}})
        return name


def node(name: str) -> Json:
    """Return a node with room for any number of Pods."""
    room = {"cpu": "100000", "memory": "100000Gi", "pods": "100000"}
    labels = {"type": "kwok", "node.kubernetes.io/instance-type": "m5.large"}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": room, "capacity": room},
    }


def job(
    name: str, *, runs_s: int = 1, suspend: bool = True, defer: bool = True, **notes: str
) -> Json:
    """Return a Job whose Pod runs so long; `notes` are our annotations, `max_delay` max-delay."""
    said = {f"greensched.io/{key.replace('_', '-')}": value for key, value in notes.items()}
    stage = "pod-complete.stage.kwok.x-k8s.io"
    length = {f"{stage}/delay": f"{runs_s}s", f"{stage}/jitter-delay": f"{runs_s}s"}
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "1"}}}
    return {
        "metadata": {
            "name": name,
            "labels": {"greensched.io/defer": "true"} if defer else {},
            "annotations": said,
        },
        "spec": {
            "suspend": suspend,
            "template": {
                "metadata": {"annotations": length},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            },
        },
    }


def is_complete(raw: Json) -> bool:
    """Tell whether a Job has succeeded."""
    conditions = raw.get("status", {}).get("conditions", [])
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)
