"""Objects of the Kubernetes API, as `kubectl get -o json` prints them, in small."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SEEN = "2026-03-09T10:20:30Z"  # the latest instant in `shop`


def meta(name: str, *, owner: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return an object's metadata; a namespace unless it is given as None."""
    made: dict[str, Any] = {"name": name, "namespace": "shop", **more}
    if made["namespace"] is None:
        del made["namespace"]
    if owner is not None:
        kind, of = owner
        made["ownerReferences"] = [{"kind": kind, "name": of, "controller": True}]
    return made


def node(name: str, pool: str = "web", kind: str = "m6i.4xlarge", **more: Any) -> dict[str, Any]:
    """Return a node of 16 CPUs and 64 GiB."""
    labels = {
        "eks.amazonaws.com/nodegroup": pool,
        "node.kubernetes.io/instance-type": kind,
        "topology.kubernetes.io/region": "eu-central-1",
    }
    given = more.pop("labels", {})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": meta(name, namespace=None, labels={**labels, **given}),
        "spec": more.pop("spec", {}),
        "status": {
            "capacity": {"cpu": "16", "memory": "64Gi", "pods": "110"},
            "allocatable": {"cpu": "15890m", "memory": "60Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "lastHeartbeatTime": SEEN}],
            **more,
        },
    }


def template(cpu: str = "500m", memory: str = "1Gi", **more: Any) -> dict[str, Any]:
    """Return the spec of a Pod with one container."""
    asked = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    return {"containers": [{"name": "main", "resources": {"requests": asked}}], **more}


def pod(name: str, owner: tuple[str, str] | None, spec: dict[str, Any], **more: Any) -> Any:
    """Return a running Pod on node n0."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, owner=owner, **more.pop("metadata", {})),
        "spec": {"nodeName": "n0", **spec},
        "status": {"phase": "Running", "qosClass": "Burstable", **more},
    }


def workload(kind: str, name: str, replicas: int | None, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Deployment or StatefulSet."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": meta(name),
        "spec": {"replicas": replicas, "template": {"spec": spec}},
    }


def hpa(name: str, of: str, least: int, most: int, percent: int = 60) -> dict[str, Any]:
    """Return an HPA (autoscaling/v2) on CPU use of a Deployment."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta(name),
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": of},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": percent},
                    },
                }
            ],
        },
    }


def job(name: str, start: str | None, end: str | None, cron: str = "", **spec: Any) -> Any:
    """Return a Job; `start` and `end` are times of 2026-03-09."""
    status: dict[str, Any] = {}
    if start:
        status["startTime"] = f"2026-03-09T{start}Z"
    if end:
        status["completionTime"] = f"2026-03-09T{end}Z"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta(
            name,
            owner=("CronJob", cron) if cron else None,
            creationTimestamp=f"2026-03-09T{start or '00:00:00'}Z",
        ),
        "spec": {"template": {"spec": template("2", "4Gi")}, **spec},
        "status": status,
    }


def shop() -> list[dict[str, Any]]:
    """Return a small cluster: three nodes, a scaled web, a StatefulSet, a DaemonSet, Jobs."""
    web = [
        pod(
            f"web-5d9c-{i}",
            ("ReplicaSet", "web-5d9c"),
            template(),
            metadata={"labels": {"pod-template-hash": "5d9c"}},
        )
        for i in range(3)
    ]
    return [
        *(node(f"n{i}") for i in range(3)),
        node("cp", labels={"node-role.kubernetes.io/control-plane": ""}),
        workload("Deployment", "web", 3, template()),
        *web,
        workload("StatefulSet", "db", 2, template("2", "8Gi")),
        *(pod(f"db-{i}", ("StatefulSet", "db"), template("2", "8Gi")) for i in range(2)),
        pod("log-x", ("DaemonSet", "log"), template("100m", "200Mi")),
        workload("Deployment", "asleep", 0, template()),
        hpa("web", "web", 2, 10),
        job("etl-1", "01:00:00", "02:30:00", cron="etl"),
        job("etl-2", "09:00:00", None, cron="etl"),
        job("held", None, None),
    ]


def written(folder: Path, objects: list[Any], name: str = "cluster.json") -> Path:
    """Write the objects as one List; return its path."""
    path = folder / name
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    path.write_text(text, encoding="utf-8")
    return path
