"""The reader `kubernetes` on what kubectl prints of a real control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.readers import kubernetes
from greensched.readers.cluster.objects import COMMAND
from greensched.readers.cluster.snapshot import cluster_of
from greensched.readers.options import ReadOptions
from tests.cluster.api import JOBS, is_complete, job
from tests.cluster.control_plane import wait_for
from tests.readers.kubernetes_cases import template

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.api import Api, Json
    from tests.cluster.conftest import Command


def _deployment(name: str, replicas: int) -> Json:
    spec = {**template("250m", "64Mi"), "terminationGracePeriodSeconds": 0}
    spec["containers"][0]["image"] = "none"
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def _owned(kind: str, by: Json) -> list[Json]:
    made = by["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": made["name"], "uid": made["uid"]}
    return [{**owner, "controller": True}]


def _pod(name: str, by: Json) -> Json:
    spec = {**template("300m", "64Mi"), "terminationGracePeriodSeconds": 0}
    spec["containers"][0]["image"] = "none"
    return {
        "metadata": {
            "name": name,
            "labels": {"app": "web", "pod-template-hash": "5d9c"},
            "ownerReferences": _owned("ReplicaSet", by),
        },
        "spec": spec,
    }


def _hpa(name: str) -> Json:
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 65}}
    return {
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 9,
            "metrics": [{"type": "Resource", "resource": resource}],
        },
    }


def test_what_kubectl_prints(admin: Api, space: str, kubectl: Command, tmp_path: Path) -> None:
    """A Deployment with its HPA, a Job that ended and the node are read as they were made."""
    apps = f"/apis/apps/v1/namespaces/{space}/deployments"
    web = admin.create(apps, _deployment("web", 3))
    below = _deployment("web-5d9c", 3)
    below["metadata"]["ownerReferences"] = _owned("Deployment", web)
    replicas = admin.create(f"/apis/apps/v1/namespaces/{space}/replicasets", below)
    admin.create(f"/apis/autoscaling/v2/namespaces/{space}/horizontalpodautoscalers", _hpa("web"))
    admin.create(JOBS.format(space), job("etl-1", suspend=False, defer=False))
    wait_for(lambda: is_complete(admin.get(f"{JOBS.format(space)}/etl-1")), "the Job completes")
    for i in range(3):  # what the controller of ReplicaSets would make
        admin.create(f"/api/v1/namespaces/{space}/pods", _pod(f"web-5d9c-{i}", replicas))
    path = tmp_path / "cluster.json"
    path.write_text(kubectl(*COMMAND.split()[1:]), encoding="utf-8")
    trace = kubernetes.read([path], ReadOptions())
    assert trace.services is not None
    assert trace.jobs is not None
    row = trace.services.names.index(f"{space}/web")
    assert (3, 300, 64, 2, 9) == tuple(
        int(column[row])
        for column in (
            trace.services.replicas,
            trace.services.replica_cpu_m,
            trace.services.replica_memory_mib,
            trace.services.replicas_min,
            trace.services.replicas_max,
        )
    )
    jobs = list(trace.jobs.ids or ())
    at = jobs.index(f"{space}/etl-1")
    assert (1_000, 1) == (int(trace.jobs.cpu_m[at]), int(trace.jobs.tasks[at]))
    assert 1_000 <= trace.jobs.duration_ms[at] < 120_000
    cluster = cluster_of([path], ReadOptions())
    assert ["m5.large"] == sorted({p.instance_type for p in cluster.pools})
    assert 65 == next(a.target_percent for a in cluster.autoscalers if a.name == f"{space}/web")
