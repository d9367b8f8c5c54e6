"""Nodes over time, as a Prometheus knows them: pools by type and size."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.readers.cluster.measured import by_owner, last_by
from greensched.readers.cluster.pools import Pool
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from greensched.model import IntArray
    from greensched.readers.cluster.matrix import Matrix
    from greensched.readers.cluster.measured import Grid

MIB: Final = 2**20


def pools_of(matrix: Matrix, grid: Grid, label: str, findings: list[str]) -> tuple[Pool, ...]:
    """Return the pools: nodes of one type and size, as many as there were at once at most.

    What DaemonSets ask for is kept of each node, in equal parts.
    """
    here: dict[tuple[object, ...], IntArray] = defaultdict(lambda: np.zeros(grid.steps, np.int64))
    memory = last_by(matrix, "node_memory", "node")
    gpus = last_by(matrix, "node_gpu", "node")
    types = {
        given.get("node", ""): given.get("label_node_kubernetes_io_instance_type", "")
        for given in map(dict, matrix.of("node_type"))
    }
    for labels, samples in matrix.of("node_cpu").items():
        node = dict(labels).get("node", "")
        if samples:
            cpu_m = _millicores(samples[max(samples)])
            memory_mib = int(memory.get((node,), 0.0)) // MIB
            key = (types.get(node, ""), cpu_m, memory_mib, round(gpus.get((node,), 0.0)))
            at = [t for t in samples if grid.first_ms <= t]
            here[key][
                [i for t in at if (i := (t - grid.first_ms) // grid.step_ms) < grid.steps]
            ] += 1
    if not here:
        return ()
    total = sum(here.values(), np.zeros(grid.steps, np.int64))
    known = total[total > 0]
    if len(known):
        findings.append(
            f"{label}: nodes over time: {known.min():,} to {known.max():,}, {known.mean():,.1f} "
            "on average; machines are the most of each type at once"
        )
    kept = [_per_node(matrix, grid, total, n) for n in ("cpu_request", "memory_request")]
    return tuple(
        _pool(i, key, int(row.max()), (_millicores(kept[0]), math.ceil(kept[1] / MIB)))
        for i, (key, row) in enumerate(sorted(here.items(), key=lambda item: repr(item[0])))
    )


def _millicores(cores: float) -> int:
    """Return whole millicores, rounded up, but for what floats add."""
    return math.ceil(round(cores * CPU_M_PER_CORE, 6))


def _per_node(matrix: Matrix, grid: Grid, nodes: IntArray, name: str) -> float:
    """Return the most that DaemonSets ask for on each node, on average over the nodes."""
    rows = [r for o, r in by_owner(matrix, name, grid).items() if o[1] in ("DaemonSet", "Node")]
    if not rows:
        return 0.0
    asked = np.sum(np.nan_to_num(rows), axis=0)
    return float((asked[nodes > 0] / nodes[nodes > 0]).max(initial=0.0))


def _pool(number: int, key: tuple[object, ...], count: int, kept: tuple[int, int]) -> Pool:
    kind, cpu_m, memory_mib, gpus = key
    assert isinstance(cpu_m, int)
    assert isinstance(memory_mib, int)
    assert isinstance(gpus, int)
    return Pool(
        name=f"{kind or 'node'}-{number + 1}",
        instance_type=str(kind),
        region="",
        count=count,
        cpu_m=cpu_m,
        memory_mib=memory_mib,
        gpus=gpus,
        gpu_model="gpu" if gpus else "",
        reserved_cpu_m=min(kept[0], cpu_m),
        reserved_memory_mib=min(kept[1], memory_mib),
        pods_max=0,
        is_spot=False,
        taints=(),
    )
