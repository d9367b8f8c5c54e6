"""Which series a Prometheus is asked for, and what each says of a cluster.

Metrics are those of cAdvisor, kube-state-metrics, node-exporter and DCGM's exporter by their usual
names, which `--map` can rename. A sample at t tells of the step that ends at t. Pods are summed by
their owner on the server, so that an answer has a row a workload and not a row a Pod.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Exporters run twice, or come back under another name while the old series still counts: equal
# labels are one series, whoever scraped them, and an owner or target is the only one of its Pod.
_OWNER: Final = (
    "* on (namespace, pod) group_left (owner_kind, owner_name) topk by (namespace, pod) "
    '(1, kube_pod_owner{owner_kind!="", owner_is_controller!="false"})'
)
# A Pod that has ended keeps its requests in the metrics for a while.
_RUNS: Final = 'max by (namespace, pod) (kube_pod_status_phase{phase="Running"} == 1)'


def _of_pod(per_container: str) -> str:
    """Return the query that sums `per_container` by Pod."""
    each = f"max by (namespace, pod, container) ({per_container})"
    return f"sum by (namespace, pod) ({each})"


def _of_owner(per_container: str) -> str:
    """Return the query that sums `per_container` by the owner of each Pod."""
    return f"sum by (namespace, owner_kind, owner_name) ({_of_pod(per_container)} {_OWNER})"


def _requested(resource: str) -> str:
    asked = f'kube_pod_container_resource_requests{{resource="{resource}"}}'
    return (
        "sum by (namespace, owner_kind, owner_name) "
        f"({_of_pod(asked)} * on (namespace, pod) {_RUNS} {_OWNER})"
    )


def _of_target(per_autoscaler: str) -> str:
    """Return the query that names what is scaled beside what an autoscaler has."""
    return (
        f"max by (namespace, horizontalpodautoscaler) ({per_autoscaler}) "
        "* on (namespace, horizontalpodautoscaler) "
        "group_left (scaletargetref_kind, scaletargetref_name) "
        "topk by (namespace, horizontalpodautoscaler) (1, kube_horizontalpodautoscaler_info)"
    )


# Series -> query; `$step` is the time between samples.
QUERIES: Final[dict[str, str]] = {
    "cpu_use": _of_owner(
        'rate(container_cpu_usage_seconds_total{container!="", container!="POD"}[$step])'
    ),
    "memory_use": _of_owner('container_memory_working_set_bytes{container!="", container!="POD"}'),
    "cpu_request": _requested("cpu"),
    "memory_request": _requested("memory"),
    "gpu_request": _requested("nvidia_com_gpu"),
    "gpu_use": "sum by (namespace, pod) (max by (namespace, pod, UUID) (DCGM_FI_DEV_GPU_UTIL))"
    " / 100",
    "replicas": f"sum by (namespace, owner_kind, owner_name) ({_RUNS} {_OWNER})",
    "replicaset_owner": "max by (namespace, replicaset, owner_kind, owner_name) "
    "(kube_replicaset_owner)",
    "job_owner": "max by (namespace, job_name, owner_kind, owner_name) (kube_job_owner)",
    "job_created": "max by (namespace, job_name) (kube_job_created)",
    "job_start": "max by (namespace, job_name) (kube_job_status_start_time)",
    "job_end": "max by (namespace, job_name) (kube_job_status_completion_time)",
    "hpa_min": _of_target("kube_horizontalpodautoscaler_spec_min_replicas"),
    "hpa_max": _of_target("kube_horizontalpodautoscaler_spec_max_replicas"),
    "hpa_target": _of_target(
        "kube_horizontalpodautoscaler_spec_target_metric"
        '{metric_name="cpu", metric_target_type="utilization"}'
    ),
    "node_cpu": 'max by (node) (kube_node_status_capacity{resource="cpu"})',
    "node_memory": 'max by (node) (kube_node_status_capacity{resource="memory"})',
    "node_gpu": 'max by (node) (kube_node_status_capacity{resource="nvidia_com_gpu"})',
    "node_busy": "sum(max by (instance, cpu, mode) "
    '(rate(node_cpu_seconds_total{mode!="idle"}[$step])))',
    "node_type": "max by (node, label_node_kubernetes_io_instance_type) (kube_node_labels)",
}
NEEDED: Final = ("cpu_use", "cpu_request")  # without these there is nothing to replay
# What is put on the steps of `cpu_use`; of others only values count.
GRIDDED: Final = ("cpu_request", "memory_request", "gpu_request", "replicas", "node_cpu")
METRIC: Final = re.compile(r"\b(?:kube|container|DCGM|node_cpu)_\w+")


def metric_names() -> tuple[str, ...]:
    """Return the metrics that the queries use, by their usual names."""
    return tuple(sorted({name for query in QUERIES.values() for name in METRIC.findall(query)}))


def queries(step_ms: int, renamed: Mapping[str, str]) -> dict[str, str]:
    """Return the query of each series with metrics `renamed` (usual name -> the server's)."""
    return {
        name: METRIC.sub(lambda m: renamed.get(m[0], m[0]), query).replace(
            "$step", f"{step_ms // 1000}s"
        )
        for name, query in QUERIES.items()
    }
