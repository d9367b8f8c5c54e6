"""A small cluster as its exporters tell of it, put into a real Prometheus.

Two workloads, a DaemonSet, a CronJob, a Job that is made twice under one name and an HPA over six
hours, sampled each minute, with half an hour in which nothing was scraped. Each kubelet is scraped
twice, and kube-state-metrics comes back under another address while the old one still counts.
"""

from __future__ import annotations

import math
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx

from tests.cluster.binaries import prometheus, promtool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START_S: Final = 1_772_409_600  # 2026-03-02T00:00Z
HOURS: Final = 6
GAP_MIN: Final = (200, 230)  # nothing was scraped
WEB: Final = (2, 3)  # replicas of web before and from hour 3
DB_CORES, LOG_CORES, ETL_CORES = 0.75, 0.05, 2.0
ETL_MIN: Final = (60, 90)  # when the Job ran
MIGRATE_MIN: Final = (120, 300)  # when each of those of one name began
MIGRATE_CORES, MIGRATE_LONG_MIN = 1.0, 20
RESTART_MIN: Final = (176, 184)  # both addresses of kube-state-metrics count
NODES: Final = 3
BUSY_CORES: Final = 2.5  # of all nodes, what is in no Pod included
COUNTERS: Final = ("container_cpu_usage_seconds", "node_cpu_seconds")


def web_cores(minute: int) -> float:
    """Return the CPU [cores] of one replica of web."""
    return 0.4 + 0.2 * math.sin(2 * math.pi * minute / 360)


def _pods(minute: int) -> Iterator[tuple[str, str, str, float, float, float]]:
    """Yield Pod, owner's kind and name, request of CPU [cores], memory [bytes], cores in use."""
    for i in range(WEB[0] if minute < 180 else WEB[1]):
        yield f"web-5d9c-{i}", "ReplicaSet", "web-5d9c", 1.0, 2.0 * 2**30, web_cores(minute)
    yield "db-0", "StatefulSet", "db", 2.0, 4.0 * 2**30, DB_CORES
    for i in range(NODES):
        yield f"log-{i}", "DaemonSet", "log", 0.1, 128.0 * 2**20, LOG_CORES
    if ETL_MIN[0] <= minute < ETL_MIN[1]:
        yield "etl-1-x", "Job", "etl-1", 2.0, 2.0**30, ETL_CORES
    for i, begin in enumerate(MIGRATE_MIN):
        if begin <= minute < begin + MIGRATE_LONG_MIN:
            yield f"migrate-{i}", "Job", "migrate", 1.5, 2.0**30, MIGRATE_CORES


def _scrapers(family: str, minute: int) -> tuple[str, ...]:
    """Return who tells of a family at one minute."""
    if family.startswith("kube_"):
        first, last = RESTART_MIN
        return (*(("old",) if minute < last else ()), *(("new",) if minute >= first else ()))
    return ("kubelet", "again") if family.startswith("container_") else ("one",)


def open_metrics() -> str:
    """Return all samples in the OpenMetrics text format, a family at a time."""
    families: dict[str, list[str]] = {}
    used: dict[str, float] = {}
    for minute in range(HOURS * 60 + 1):
        for pod, _, _, _, _, cores in _pods(minute):
            used[pod] = used.get(pod, 0.0) + 60 * cores
        if not GAP_MIN[0] <= minute < GAP_MIN[1]:
            _scrape(families, minute, used)
    text = []
    for family, lines in families.items():
        kind = "counter" if family in COUNTERS else "gauge"
        text += [f"# TYPE {family} {kind}", *sorted(lines, key=lambda one: one.partition("}")[0])]
    return "\n".join([*text, "# EOF", ""])


def _scrape(families: dict[str, list[str]], minute: int, used: dict[str, float]) -> None:
    """Add what the exporters say at one minute."""
    now = START_S + 60 * minute

    def say(family: str, value: float, suffix: str = "", **labels: str) -> None:
        for scraper in _scrapers(family, minute):
            own = {**labels, "job": scraper}
            inner = ",".join(f'{k}="{v}"' for k, v in own.items())
            families.setdefault(family, []).append(f"{family}{suffix}{{{inner}}} {value} {now}")

    for pod, kind, owner, cpu, memory, _ in _pods(minute):
        own = {"namespace": "shop", "pod": pod}
        say("container_cpu_usage_seconds", used[pod], "_total", **own, container="main")
        say("container_cpu_usage_seconds", used[pod], "_total", **own, container="")
        say("container_memory_working_set_bytes", memory / 2, **own, container="main")
        say("kube_pod_owner", 1, **own, owner_kind=kind, owner_name=owner)
        say("kube_pod_status_phase", 1, **own, phase="Running")
        say("kube_pod_status_phase", 0, **own, phase="Pending")
        for resource, value in (("cpu", cpu), ("memory", memory)):
            say("kube_pod_container_resource_requests", value, **own, resource=resource)
    of_web = {"owner_kind": "Deployment", "owner_name": "web"}
    say("kube_replicaset_owner", 1, namespace="shop", replicaset="web-5d9c", **of_web)
    hpa = {"namespace": "shop", "horizontalpodautoscaler": "web"}
    ref = {"scaletargetref_kind": "Deployment", "scaletargetref_name": "web"}
    say("kube_horizontalpodautoscaler_info", 1, **hpa, **ref)
    say("kube_horizontalpodautoscaler_spec_min_replicas", 2, **hpa)
    say("kube_horizontalpodautoscaler_spec_max_replicas", 8, **hpa)
    target = {"metric_name": "cpu", "metric_target_type": "utilization"}
    say("kube_horizontalpodautoscaler_spec_target_metric", 55, **hpa, **target)
    for mode, cores in (("idle", 10.0), ("user", BUSY_CORES)):
        labels = {"instance": "n0", "cpu": "0", "mode": mode}
        say("node_cpu_seconds", 60 * minute * cores, "_total", **labels)
    for i in range(NODES):
        node = {"node": f"n{i}"}
        say("kube_node_status_capacity", 4, **node, resource="cpu")
        say("kube_node_status_capacity", 16.0 * 2**30, **node, resource="memory")
        say("kube_node_labels", 1, **node, label_node_kubernetes_io_instance_type="m6i.xlarge")
    _say_jobs(say, minute)


def _say_jobs(say: Callable[..., None], minute: int) -> None:
    """Say what is known of Jobs at one minute."""
    if minute >= ETL_MIN[0]:
        job = {"namespace": "shop", "job_name": "etl-1"}
        begin = START_S + 60 * ETL_MIN[0]
        say("kube_job_created", begin - 30, **job)
        say("kube_job_status_start_time", begin, **job)
        say("kube_job_owner", 1, **job, owner_kind="CronJob", owner_name="etl")
        if minute >= ETL_MIN[1]:
            say("kube_job_status_completion_time", START_S + 60 * ETL_MIN[1], **job)
    for begin in [START_S + 60 * b for b in MIGRATE_MIN if b <= minute][-1:]:
        job, end = {"namespace": "shop", "job_name": "migrate"}, begin + 60 * MIGRATE_LONG_MIN
        say("kube_job_status_start_time", begin, **job)
        if START_S + 60 * minute >= end:
            say("kube_job_status_completion_time", end, **job)


@contextmanager
def served(folder: Path, port: int) -> Iterator[str]:
    """Yield the address of a Prometheus that has the small cluster in its store."""
    text = folder / "world.om"
    text.write_text(open_metrics(), encoding="utf-8")
    with serving(text, folder, port) as url:
        yield url


@contextmanager
def serving(text: Path, folder: Path, port: int, *flags: str) -> Iterator[str]:
    """Yield the address of a Prometheus that has the samples of `text` in its store."""
    store, config = folder / "data", folder / "prometheus.yml"
    config.write_text("scrape_configs: []\n", encoding="utf-8")
    # The text is read once a block: blocks of two hours would take minutes.
    longest = "--max-block-duration=336h"
    words = ("tsdb", "create-blocks-from", "openmetrics", longest, str(text), str(store))
    subprocess.run([str(promtool()), *words], check=True, capture_output=True)
    server = subprocess.Popen(
        [
            str(prometheus()),
            f"--config.file={config}",
            f"--storage.tsdb.path={store}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
            *flags,
        ],
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers; raise where it ended or does not within 60 s."""
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/-/ready", timeout=5.0).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    message = f"prometheus does not answer at {url}"
    raise RuntimeError(message)
