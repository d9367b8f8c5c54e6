"""Answers of `query_range` in small, as a Prometheus gives them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START_S = 1_772_409_600  # 2026-03-02T00:00Z
STEP_S = 300


def owner(name: str, kind: str = "Deployment", namespace: str = "shop") -> dict[str, str]:
    """Return the labels of a workload."""
    return {"namespace": namespace, "owner_kind": kind, "owner_name": name}


def series(labels: dict[str, str], values: Sequence[Any], first: int = 0) -> dict[str, Any]:
    """Return one series, a value a step; None is no sample."""
    pairs = [[START_S + STEP_S * i, str(v)] for i, v in enumerate(values, first) if v is not None]
    return {"metric": labels, "values": pairs}


def answer(*rows: Any) -> dict[str, Any]:
    """Return an answer with these series."""
    return {"status": "success", "data": {"resultType": "matrix", "result": list(rows)}}


def shop(steps: int = 12) -> dict[str, Any]:
    """Return the answers of a small cluster by series: two workloads, a DaemonSet, a Job."""
    web, db, log = owner("web"), owner("db", "StatefulSet"), owner("log", "DaemonSet")
    below = owner("web-5d9c", "ReplicaSet")
    job, own = {"namespace": "shop", "job_name": "etl-1"}, owner("etl-1", "Job")
    half, gib = steps // 2, 2**30
    ref = {"namespace": "shop", "scaletargetref_kind": "Deployment", "scaletargetref_name": "web"}
    return {
        "cpu_use": answer(
            series(below, [0.5 + i / 10 for i in range(steps)]),
            series(db, [0.25] * steps),
            series(log, [0.1] * steps),
            series(own, [1.0] * 3),
        ),
        "cpu_request": answer(
            series(web, [1.0] * half + [2.0] * (steps - half)),
            series(db, [1.5] * steps),
            series(log, [0.2] * steps),
            series(own, [2.0] * 3),
        ),
        "memory_request": answer(
            series(web, [2 * gib] * half + [4 * gib] * (steps - half)), series(own, [gib] * 3)
        ),
        "replicas": answer(
            series(web, [2] * half + [4] * (steps - half)), series(db, [1] * steps)
        ),
        "replicaset_owner": answer(
            series({"namespace": "shop", "replicaset": "web-5d9c", **{
                k: v for k, v in web.items() if k != "namespace"}}, [1] * steps)
        ),
        "job_start": answer(series(job, [START_S + 60] * steps)),
        "job_end": answer(series(job, [None] * 3 + [START_S + 660] * (steps - 3))),
        "hpa_min": answer(series(ref, [3] * steps)),
        "hpa_max": answer(series(ref, [6] * steps)),
        "hpa_target": answer(series(ref, [70] * steps)),
        "node_cpu": answer(*(series({"node": f"n{i}"}, [4] * steps) for i in range(2))),
        "node_memory": answer(*(series({"node": f"n{i}"}, [8 * gib] * steps) for i in range(2))),
    }  # fmt: skip


def written(folder: Path, answers: dict[str, Any]) -> Path:
    """Write each answer as a file that is called after its series; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in answers.items():
        (folder / f"{name}.json").write_text(json.dumps(one), encoding="utf-8")
    return folder
