"""Nodes: their sizes, their pools, and what of them workloads cannot have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.readers.cluster.objects import mapping, sequence, string, value
from greensched.readers.cluster.quantities import mebibytes, millicores, whole

if TYPE_CHECKING:
    from greensched.readers.cluster.objects import Object, Objects

# What says which pool a node is of, the first that is there.
POOL_LABELS: Final = (
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
    "alpha.eksctl.io/nodegroup-name",
    "node.kubernetes.io/pool",
)
TYPE_LABELS: Final = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
REGION_LABELS: Final = (
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/region",
)
CONTROL: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
VIRTUAL: Final = "virtual-kubelet"
GPUS: Final = ("nvidia.com/gpu", "amd.com/gpu")
GPU_LABELS: Final = ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator")
SPOT_LABELS: Final = {
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
    "cloud.google.com/gke-spot": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node; `allocatable_*` is what Pods may have of its capacity."""

    name: str
    pool: str  # empty: no label tells
    instance_type: str  # empty: no label tells, as on machines of one's own
    region: str
    cpu_m: int
    memory_mib: int
    allocatable_cpu_m: int
    allocatable_memory_mib: int
    gpus: int
    gpu_model: str
    pods_max: int
    is_spot: bool
    left_out: str  # why it runs no workloads: of which kind it is; empty where it does
    taints: tuple[str, ...]  # key=value:effect


def nodes_of(objects: Objects) -> list[Node]:
    """Return the nodes, sorted by name."""
    return sorted(objects.each("Node", _node), key=lambda n: n.name)


def gpus_of(resources: dict[str, object]) -> int:
    """Return the whole GPUs among resources."""
    return sum(whole(resources[name], name) for name in GPUS if name in resources)


def _node(one: Object) -> Node:
    labels = one.labels
    capacity = mapping(one.body, "status", "capacity")
    allocatable = mapping(one.body, "status", "allocatable") or capacity
    gpus = gpus_of(allocatable)
    taints = tuple(
        f"{string(t, 'key')}={string(t, 'value', default='')}:{string(t, 'effect', default='')}"
        for t in sequence(one.body, "spec", "taints")
    )
    cpu_m = millicores(value(capacity, "cpu"))
    memory_mib = mebibytes(value(capacity, "memory"))
    return Node(
        name=one.name,
        pool=_first(labels, POOL_LABELS),
        instance_type=_first(labels, TYPE_LABELS),
        region=_first(labels, REGION_LABELS),
        cpu_m=cpu_m,
        memory_mib=memory_mib,
        allocatable_cpu_m=min(cpu_m, millicores(allocatable.get("cpu", "0"))),
        allocatable_memory_mib=min(memory_mib, mebibytes(allocatable.get("memory", "0"))),
        gpus=gpus,
        gpu_model=(_first(labels, GPU_LABELS) or "gpu") if gpus else "",
        pods_max=whole(allocatable.get("pods", 0), "pods"),
        is_spot=any(labels.get(k) == v for k, v in SPOT_LABELS.items()),
        left_out=_left_out(labels, taints, cpu_m),
        taints=taints,
    )


def _left_out(labels: dict[str, str], taints: tuple[str, ...], cpu_m: int) -> str:
    """Return of which kind a node is that workloads have no machine in, empty for others."""
    keys = {t.partition("=")[0] for t in taints}
    if any(k in labels or k in keys for k in CONTROL):
        return "of the control plane"
    if labels.get("type") == VIRTUAL or any(k.startswith(f"{VIRTUAL}.io/") for k in keys):
        return "that stand for another service (virtual kubelets)"
    return "" if cpu_m else "without CPU"


def _first(labels: dict[str, str], names: tuple[str, ...]) -> str:
    return next((labels[n] for n in names if labels.get(n)), "")
