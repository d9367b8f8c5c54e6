"""What a Prometheus measured of a cluster: saved answers of `query_range`.

`greensched trace fetch` and `init --from prometheus:URL` save them; so does anybody who calls
each file after its series (`cpu_use.json`, `replicas.json`; `greensched.readers.cluster.metrics`
has all and their queries). Workloads become services with the CPU that they used as load, Jobs
keep their times, nodes are machines. `docs/reference/traces.md` says how exactly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding, escape_control, plural
from greensched.model import NONE, Machines, Services, Trace
from greensched.readers.cluster import measured
from greensched.readers.cluster.matrix import matrix_of
from greensched.readers.cluster.measured_jobs import jobs_of
from greensched.readers.cluster.measured_nodes import pools_of
from greensched.readers.cluster.metrics import NEEDED, QUERIES, metric_names
from greensched.readers.columns import frozen
from greensched.readers.files import checksum
from greensched.readers.grid import assumptions, default_attributes, services_of
from greensched.readers.timing import iso_utc
from greensched.units import CPU_M_PER_CORE, GPU_M_PER_GPU

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import FloatArray
    from greensched.readers.cluster.matrix import Matrix
    from greensched.readers.cluster.measured import Grid, Owner
    from greensched.readers.cluster.pools import Pool
    from greensched.readers.options import ReadOptions

ASK: Final = (
    "check the span, the names of metrics (--map) and that a step holds two scrapes; its query: "
    "{query}"
)
UNFINISHED: Final = "unfinished.txt"  # in a folder while it is fetched into
NOT_SERVED: Final = ("DaemonSet", "Node", "Job", "CronJob")
NO_REQUEST_CPU_M: Final = 100  # of a replica that asks for no CPU, assumed
MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that the answers tell: samples by series, their grid, and what is to be known."""

    label: str
    matrix: Matrix
    grid: Grid
    files: tuple[Path, ...]
    findings: tuple[str, ...]


def read(files: Sequence[Path], options: ReadOptions) -> Trace:
    """Return services, Jobs and nodes; raise DataError where answers cannot be trusted."""
    seen = seen_in(files, options)
    findings = list(seen.findings)
    zero_ms = seen.grid.first_ms - seen.grid.step_ms
    return Trace(
        services=_services(seen, options, findings),
        jobs=jobs_of(seen.matrix, seen.grid, zero_ms, seen.label, findings),
        machines=_machines(pools_of(seen.matrix, seen.grid, seen.label, findings)),
        zero_utc=iso_utc(zero_ms),
        synthetic=options.synthetic,
        checksum=checksum(seen.files),
        findings=tuple(findings),
    )


def seen_in(files: Sequence[Path], options: ReadOptions) -> Seen:
    """Return the samples in `files`, or in the folder that is the only one; raise DataError."""
    options.check_map((*QUERIES, *metric_names()), "prometheus")
    paths = [Path(f) for f in files]
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        paths = sorted(p for p in folder.iterdir() if ".json" in p.suffixes)
        if not paths:
            raise DataError(Finding(where=str(folder), what="no answer (.json) in this folder"))
        if (folder / UNFINISHED).exists():
            what, remedy = "the fetch into it did not come to its end", "run it again: it goes on"
            raise DataError(Finding(where=str(folder), what=what, remedy=remedy))
    matrix, used = matrix_of(paths, options.columns, options.member)
    label = matrix.bad.label
    findings = matrix.bad.settle(options) if matrix.bad.classes else []
    missing = [name for name in NEEDED if not matrix.of(name)]
    if missing:
        raise DataError(
            *(
                Finding(
                    where=label, what=f"no samples of {n}", remedy=ASK.format(query=QUERIES[n])
                )
                for n in missing
            )
        )
    grid = measured.grid_of(matrix, options, label)
    measured.check_steps(matrix, grid, label)
    findings += measured.gaps(grid, options.fill, label)
    findings += [escape_control(warning) for warning in matrix.warnings]
    told = ((matrix.copies, "given again, dropped"), (matrix.nans, "NaN"))
    findings += [f"{label}: {plural(count, 'sample')} {what}" for count, what in told if count]
    absent = [name for name in QUERIES if not matrix.of(name)]
    if absent:
        findings.append(f"{label}: no samples of {', '.join(absent)}")
    return Seen(label=label, matrix=matrix, grid=grid, files=tuple(used), findings=tuple(findings))


def targets_of(seen: Seen, services: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Return the CPU target [percent] of each service that an HPA scales, and HPAs without one."""
    keys = ("namespace", "scaletargetref_kind", "scaletargetref_name")
    found = measured.last_by(seen.matrix, "hpa_target", *keys)
    every = measured.last_by(seen.matrix, "hpa_max", *keys)
    named = {key: f"{key[0]}/{key[2]}" for key in {*found, *every}}
    targets = {named[k]: round(v) for k, v in found.items() if named[k] in services and v > 0}
    return targets, sorted({named[k] for k in every} - set(targets))


def _services(seen: Seen, options: ReadOptions, findings: list[str]) -> Services | None:
    """Return the workloads: load is the CPU that their Pods used in each step."""
    rows = {
        name: measured.by_owner(seen.matrix, name, seen.grid)
        for name in ("cpu_use", "cpu_request", "memory_request", "gpu_request", "replicas")
    }
    served = {*rows["cpu_use"], *rows["cpu_request"]}
    named = _named([o for o in sorted(served) if o[1] not in NOT_SERVED and o[2]])
    if not named:
        return None
    owners = [owner for _, owner in named]
    sizes = [_size(owner, rows, seen.grid) for owner in owners]
    none = sum(not cpu_m for cpu_m, *_ in sizes)
    if none:
        findings.append(
            f"{seen.label}: {none:,} workloads ask for no CPU, taken as {NO_REQUEST_CPU_M} "
            "millicores a replica (assumed)"
        )
    unseen = sum(not replicas for *_, replicas in sizes)
    if unseen:
        findings.append(f"{seen.label}: replicas of {unseen:,} workloads are not known")
    limits = {
        bound: measured.last_by(
            seen.matrix, bound, "namespace", "scaletargetref_kind", "scaletargetref_name"
        )
        for bound in ("hpa_min", "hpa_max")
    }
    replicas = np.array([n or NONE for *_, n in sizes], np.int64)
    least = np.array([limits["hpa_min"].get(o, options.replicas_min) for o in owners], np.int64)
    attributes = replace(
        default_attributes(tuple(name for name, _ in named), options),
        replica_cpu_m=np.array([s[0] or NO_REQUEST_CPU_M for s in sizes], np.int64),
        replica_memory_mib=np.array([s[1] for s in sizes], np.int64),
        replica_gpu_m=np.array([s[2] for s in sizes], np.int64),
        replicas=replicas,
        replicas_min=np.where(replicas == NONE, least, np.minimum(least, replicas)),
        replicas_max=np.array([limits["hpa_max"].get(o, NONE) for o in owners], np.int64),
    )
    nothing = np.full(seen.grid.steps, np.nan)
    load = np.array(
        [measured.filled(rows["cpu_use"].get(o, nothing), seen.grid, options.fill) for o in owners]
    )
    services = services_of(
        attributes, 0, seen.grid.step_ms, np.rint(load * CPU_M_PER_CORE).astype(np.int64)
    )
    findings += assumptions(services, seen.label)
    findings += _not_replayed(rows["cpu_use"], seen)
    return services


def _not_replayed(rows: dict[Owner, FloatArray], seen: Seen) -> list[str]:
    """Return, in words, what is no service's: what DaemonSets use, and what no Pod does."""
    label, found = seen.label, list[str]()
    busy = [v for samples in seen.matrix.of("node_busy").values() for v in samples.values()]
    if busy:
        used = sum(float(np.nansum(row)) / seen.grid.steps for row in rows.values())
        found.append(
            f"{label}: nodes are busy with {np.mean(busy):,.3g} cores on average, {used:,.3g} of "
            "them in Pods that are known"
        )
    cores = [float(np.nanmean(row)) for owner, row in rows.items() if owner[1] in NOT_SERVED[:2]]
    if not cores:
        return found
    daemons = f"what DaemonSets use ({sum(cores):,.3g} cores on average)"
    return [*found, f"{label}: {daemons} is no service's; their requests are kept of each node"]


def _named(owners: Sequence[Owner]) -> list[tuple[str, Owner]]:
    """Return owners by name, namespace first, with the kind where two would share it; sorted."""
    titles = Counter((namespace, name) for namespace, _, name in owners)
    named = [
        (f"{n}/{name}" if titles[n, name] == 1 else f"{n}/{name} ({kind})", (n, kind, name))
        for n, kind, name in owners
    ]
    return sorted(named)


def _size(
    owner: Owner, rows: dict[str, dict[Owner, FloatArray]], grid: Grid
) -> tuple[int, int, int, int]:
    """Return a replica's CPU [millicores], memory [MiB], GPUs [thousandths]; most replicas."""
    nothing = np.full(grid.steps, np.nan)
    count = rows["replicas"].get(owner, nothing)
    most = int(np.nanmax(count, initial=0.0))

    def each(name: str) -> float:
        """Return the median of what all ask for over how many they are."""
        asked = rows[name].get(owner, nothing)
        here = (asked > 0) & (count > 0) if most else asked > 0
        if not here.any():
            return 0.0
        return float(np.median(asked[here] / (count[here] if most else 1.0)))

    return (
        round(each("cpu_request") * CPU_M_PER_CORE),
        int(np.ceil(each("memory_request") / MIB)),
        round(each("gpu_request")) * GPU_M_PER_GPU,
        most,
    )


def _machines(pools: tuple[Pool, ...]) -> Machines | None:
    if not pools:
        return None
    columns = {
        "count": [p.count for p in pools],
        "cpu_m": [p.cpu_m - p.reserved_cpu_m for p in pools],
        "memory_mib": [p.memory_mib - p.reserved_memory_mib for p in pools],
        "gpus": [p.gpus for p in pools],
    }
    return Machines(
        names=tuple(p.name for p in pools),
        gpu_models=tuple(p.gpu_model for p in pools),
        **{name: frozen(np.array(values, np.int64)) for name, values in columns.items()},
    )
