"""Node pools: equal nodes together, with what they keep for themselves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.readers.cluster.nodes import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """`count` equal nodes; `reserved_*` is what workloads cannot have on any of them.

    That is capacity less allocatable, and the most that DaemonSets and static Pods ask for on one
    of its nodes.
    """

    name: str
    instance_type: str
    region: str
    count: int
    cpu_m: int
    memory_mib: int
    gpus: int
    gpu_model: str
    reserved_cpu_m: int
    reserved_memory_mib: int
    pods_max: int
    is_spot: bool
    taints: tuple[str, ...]


def pools_of(nodes: Sequence[Node], per_node: Mapping[str, tuple[int, int]]) -> tuple[Pool, ...]:
    """Return the pools of the nodes that run workloads, sorted by name.

    Nodes of one pool and different sizes are pools of their own, numbered.
    """
    groups: dict[tuple[object, ...], list[Node]] = defaultdict(list)
    for node in nodes:
        key = (node.pool, node.instance_type, node.cpu_m, node.memory_mib, node.gpus)
        if not node.left_out:
            groups[*key, node.gpu_model, node.is_spot, node.taints].append(node)
    made: list[Pool] = []
    for _, equal in sorted(groups.items(), key=lambda item: repr(item[0])):
        first = equal[0]
        own = [
            (
                n.cpu_m - n.allocatable_cpu_m + per_node.get(n.name, (0, 0))[0],
                n.memory_mib - n.allocatable_memory_mib + per_node.get(n.name, (0, 0))[1],
            )
            for n in equal
        ]
        base = first.pool or first.instance_type or "node"
        taken = sum(p.name == base or p.name.startswith(f"{base}/") for p in made)
        made.append(
            Pool(
                name=base if not taken else f"{base}/{taken + 1}",
                instance_type=first.instance_type,
                region=first.region,
                count=len(equal),
                cpu_m=first.cpu_m,
                memory_mib=first.memory_mib,
                gpus=first.gpus,
                gpu_model=first.gpu_model,
                reserved_cpu_m=min(max(c for c, _ in own), first.cpu_m),
                reserved_memory_mib=min(max(m for _, m in own), first.memory_mib),
                pods_max=first.pods_max,
                is_spot=first.is_spot,
                taints=first.taints,
            )
        )
    return tuple(made)
