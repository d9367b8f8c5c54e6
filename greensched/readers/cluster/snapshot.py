"""`Cluster`: all that one look at a cluster tells, sorted into the nouns of a scenario."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greensched.errors import DataError, Finding
from greensched.readers.cluster.batch import jobs_of, seen_ms
from greensched.readers.cluster.nodes import nodes_of
from greensched.readers.cluster.objects import COMMAND, load
from greensched.readers.cluster.pools import pools_of
from greensched.readers.cluster.scaling import autoscalers_of
from greensched.readers.cluster.workloads import folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.readers.cluster.batch import BatchJob
    from greensched.readers.cluster.pods import Request
    from greensched.readers.cluster.pools import Pool
    from greensched.readers.cluster.scaling import Autoscaler
    from greensched.readers.cluster.workloads import Workload
    from greensched.readers.options import ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster as it was at `seen_ms` [Unix ms]; None where nothing tells when."""

    label: str
    pools: tuple[Pool, ...]
    workloads: tuple[Workload, ...]
    autoscalers: tuple[Autoscaler, ...]
    jobs: tuple[BatchJob, ...]
    seen_ms: int | None
    findings: tuple[str, ...]

    def fits(self, asked: Request) -> bool:
        """Say whether a node has room for a Pod, as far as nodes are known."""
        return not self.pools or any(
            asked.cpu_m <= pool.cpu_m - pool.reserved_cpu_m
            and asked.memory_mib <= pool.memory_mib - pool.reserved_memory_mib
            and asked.gpus <= pool.gpus
            for pool in self.pools
        )


def cluster_of(files: Sequence[Path], options: ReadOptions) -> Cluster:
    """Return what the API's answers in `files` tell; raise DataError with all that is odd."""
    label = ", ".join(Path(f).name for f in files)
    objects = load(files, options)
    nodes, pods = nodes_of(objects), folded(objects, label)
    autoscalers, jobs = autoscalers_of(objects), jobs_of(objects)
    dropped = objects.bad.settle(options)
    if not (nodes or pods.workloads or jobs):
        what = "no nodes, workloads or Jobs"
        raise DataError(Finding(where=label, what=what, remedy=f"ask with: {COMMAND}"))
    left_out = Counter(n.left_out for n in nodes if n.left_out)
    told = [f"{label}: {n:,} nodes {what} left out" for what, n in sorted(left_out.items())]
    return Cluster(
        label=label,
        pools=pools_of(nodes, pods.per_node),
        workloads=pods.workloads,
        autoscalers=tuple(autoscalers),
        jobs=tuple(jobs),
        seen_ms=seen_ms(objects),
        findings=(*objects.findings, *dropped, *told, *pods.findings),
    )
