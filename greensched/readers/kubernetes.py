"""One look at a Kubernetes cluster: what `kubectl get .. -o json` printed.

Pods are folded into the Deployment, StatefulSet or other owner whose replicas they are, nodes into
pools, Jobs of the last week keep their times. It is a snapshot: what workloads ask for, not what
they use over time. `docs/reference/traces.md` says what becomes of each field.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from greensched.errors import escape_control
from greensched.model import NONE, JobClass, Jobs, Machines, Services, Trace
from greensched.readers.cluster.snapshot import cluster_of
from greensched.readers.columns import TextColumn, frozen
from greensched.readers.files import checksum
from greensched.readers.grid import assumptions, default_attributes, services_of
from greensched.readers.timing import iso_utc
from greensched.units import GPU_M_PER_GPU, MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.readers.cluster.batch import BatchJob
    from greensched.readers.cluster.snapshot import Cluster
    from greensched.readers.options import ReadOptions

_Key: TypeAlias = tuple[str, str, tuple[str, ...]]

WINDOW_MS: Final = 7 * MS_PER_DAY  # Jobs that are older are history
NO_REQUEST_CPU_M: Final = 100  # of a replica that asks for no CPU, assumed
CLASSES_MAX: Final = 1_000
NAMED: Final = 5  # of what is left out
SNAPSHOT: Final = (
    "a snapshot: it tells what workloads ask for, not what they use; load over time comes from "
    "--reader prometheus, or as 'population: {tide: ..}'"
)


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return workloads as services, Jobs and nodes; raise DataError where objects are odd."""
    options.check_map((), "kubernetes")
    files = [Path(f) for f in files]
    return trace_of(cluster_of(files, options), options, checksum(files))


def trace_of(cluster: Cluster, options: ReadOptions, digest: str) -> Trace:
    """Return the trace of a cluster whose files have the checksum `digest`."""
    findings = [*cluster.findings, f"{cluster.label}: {SNAPSHOT}"]
    cluster = _fitting(cluster, findings)
    seen_ms = cluster.seen_ms
    zero_ms = 0 if seen_ms is None else (seen_ms - WINDOW_MS) // MS_PER_H * MS_PER_H
    services = _services(cluster, options, findings)
    return Trace(
        services=services,
        jobs=_jobs(cluster, zero_ms, findings),
        machines=_machines(cluster),
        zero_utc="" if seen_ms is None else iso_utc(zero_ms),
        timeline=services is None,
        synthetic=options.synthetic,
        checksum=digest,
        findings=tuple(findings),
    )


def _fitting(cluster: Cluster, findings: list[str]) -> Cluster:
    """Return the cluster without what is larger than every node: it waits for one, or had one."""
    large = {
        "workloads": [w.title for w in cluster.workloads if not cluster.fits(w.request)],
        "Jobs": [j.title for j in cluster.jobs if not cluster.fits(j.request)],
    }
    for called, titles in large.items():
        if titles:
            named = ", ".join((*titles[:NAMED], *([".."] if len(titles) > NAMED else [])))
            findings.append(
                f"{cluster.label}: {len(titles):,} {called} left out that are larger than every "
                f"node that is there: {escape_control(named)}"
            )
    return replace(
        cluster,
        workloads=tuple(w for w in cluster.workloads if cluster.fits(w.request)),
        jobs=tuple(j for j in cluster.jobs if cluster.fits(j.request)),
    )


def _services(cluster: Cluster, options: ReadOptions, findings: list[str]) -> Services | None:
    """Return the workloads; their load is the whole request of all replicas, one step of a day."""
    if not cluster.workloads:
        return None
    titles = Counter(w.title for w in cluster.workloads)
    named = sorted(
        (w.title if titles[w.title] == 1 else f"{w.title} ({w.owner[1]})", w)
        for w in cluster.workloads
    )
    scaled = {a.workload: a for a in cluster.autoscalers}
    limits = [scaled.get(w.owner) for _, w in named]
    none = sum(not w.request.cpu_m for _, w in named)
    if none:
        findings.append(
            f"{cluster.label}: {none:,} workloads ask for no CPU, taken as {NO_REQUEST_CPU_M} "
            "millicores a replica (assumed)"
        )
    cpu_m = np.array([w.request.cpu_m or NO_REQUEST_CPU_M for _, w in named], np.int64)
    replicas = np.array([w.replicas for _, w in named], np.int64)
    least = np.array([a.least if a else options.replicas_min for a in limits], np.int64)
    attributes = replace(
        default_attributes(tuple(name for name, _ in named), options),
        replica_cpu_m=cpu_m,
        replica_memory_mib=np.array([w.request.memory_mib for _, w in named], np.int64),
        replica_gpu_m=np.array([w.request.gpus * GPU_M_PER_GPU for _, w in named], np.int64),
        replicas=replicas,
        replicas_min=np.minimum(least, replicas),
        replicas_max=np.array([a.most if a else NONE for a in limits], np.int64),
    )
    services = services_of(attributes, 0, MS_PER_DAY, (cpu_m * replicas)[:, None])
    findings += assumptions(services, cluster.label)
    return services


def _jobs(cluster: Cluster, zero_ms: int, findings: list[str]) -> Jobs | None:
    """Return the Jobs that ran; one that still runs has lasted until the snapshot."""
    ran = [j for j in cluster.jobs if j.started_ms is not None]
    runs, instant = sum(j.ended_ms is None for j in ran), 0
    until_ms = cluster.seen_ms or 0
    spans = []
    for job in ran:
        start_ms, end_ms = job.started_ms or 0, until_ms if job.ended_ms is None else job.ended_ms
        spans.append(max(1, end_ms - start_ms))  # times of the API are whole seconds
        instant += end_ms <= start_ms
    told = (
        (len(cluster.jobs) - len(ran), "Jobs that never ran left out"),
        (runs, "Jobs still run: their duration so far is taken"),
        (instant, "Jobs that ended in the second in which they began, taken as 1 ms"),
    )
    findings += [f"{cluster.label}: {n:,} {what}" for n, what in told if n]
    if not ran:
        return None
    findings.append(
        f"{cluster.label}: of Jobs only those that the cluster still keeps are known; it deletes "
        "old ones"
    )
    keys = _classes(ran)
    classes = sorted(set(keys))
    columns = {
        "submit_ms": [j.created_ms - zero_ms for j in ran],
        "duration_ms": spans,
        "estimate_ms": [NONE] * len(ran),
        "deadline_ms": [NONE] * len(ran),
    }
    sizes = {
        "cpu_m": [j.request.cpu_m for j in ran],
        "memory_mib": [j.request.memory_mib for j in ran],
        "gpu_m": [j.request.gpus * GPU_M_PER_GPU for j in ran],
        "tasks": [j.tasks for j in ran],
        "job_class": [classes.index(k) for k in keys],
    }
    return Jobs(
        **{k: frozen(np.array(v, np.int64)) for k, v in columns.items()},
        **{k: frozen(np.array(v, np.int32)) for k, v in sizes.items()},
        classes=tuple(_class(k) for k in classes),
        ids=TextColumn.of([j.title for j in ran]),
    )


def _classes(jobs: Sequence[BatchJob]) -> list[_Key]:
    """Return what Jobs are told apart by: namespace, family and labels.

    A family is the CronJob, or the Job's name without numbers. Where there are more than 1,000,
    labels are left out, then families.
    """
    keys: list[_Key] = []
    for job in jobs:
        namespace, _, name = job.title.partition("/")
        family = job.cron.partition("/")[2] or re.sub(r"\d+", "*", name)
        keys.append((namespace, family, job.labels))
    if len(set(keys)) > CLASSES_MAX:
        keys = [(namespace, family, ()) for namespace, family, _ in keys]
    if len(set(keys)) > CLASSES_MAX:
        keys = [(namespace, "", ()) for namespace, _, _ in keys]
    return keys


def _class(key: _Key) -> JobClass:
    namespace, owner, labels = key
    given = (("namespace", namespace), ("owner", owner), *(("label", one) for one in labels))
    return JobClass(
        name=f"{namespace}/{owner}" if owner else namespace,
        attributes=tuple((k, v) for k, v in given if v),
    )


def _machines(cluster: Cluster) -> Machines | None:
    """Return the pools; what they keep for themselves is told by `init`, not here."""
    pools = cluster.pools
    if not pools:
        return None

    def column(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return frozen(np.array(values, np.int64))

    return Machines(
        names=tuple(p.name for p in pools),
        count=column([p.count for p in pools]),
        cpu_m=column([p.cpu_m - p.reserved_cpu_m for p in pools]),
        memory_mib=column([p.memory_mib - p.reserved_memory_mib for p in pools]),
        gpus=column([p.gpus for p in pools]),
        gpu_models=tuple(p.gpu_model for p in pools),
    )
