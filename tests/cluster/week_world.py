"""Two weeks of the bundled services at an eightieth of their size, in a real Prometheus.

    python -m tests.cluster.week_world PORT FOLDER

fills a Prometheus on PORT, writes what the room's meters read and how many machines were on in
either week into FOLDER, and serves until it is stopped. Machines draw 30 to 120 W, and in the
second week load is 15 % larger than the bundled one: the guide "Your cluster in an hour" finds
out both.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched import registry
from greensched.readers.bundled import bundled_path
from greensched.readers.options import ReadOptions
from greensched.readers.resolve import import_cached
from greensched.units import MS_PER_DAY
from tests.cluster.metrics_world import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import FloatArray

START_S: Final = 1_677_427_200  # 2023-02-26T16:00Z, midnight in the bundled weeks' zone
FIRST_DAY: Final = 21  # of the bundled load
DAYS: Final = 14
PARTS: Final = 80
NODES, CORES, MEMORY = 16, 16, 64 * 2**30
IDLE_W, PEAK_W, PUE = 30.0, 120.0, 1.3
MORE: Final = 1.15  # load of the second week over the bundled one
USE: Final = 0.7  # of a Pod's request, at its service's largest load
SCRAPE_S: Final = 150
SELDOM_S: Final = 3_600  # what hardly changes is scraped by the hour
LOOKBACK: Final = "2h"


def load_cores() -> tuple[tuple[str, ...], FloatArray]:
    """Return the services and their load [cores, services x steps of 5 min]."""
    path = bundled_path("online-week")
    services = import_cached([path], registry.load("reader", "canonical"), ReadOptions()).services
    assert services is not None
    per_day = MS_PER_DAY // services.step_ms
    steps = slice(FIRST_DAY * per_day, (FIRST_DAY + DAYS) * per_day)
    load = services.load_cpu_m[:, steps] / 1000 / PARTS
    load[:, load.shape[1] // 2 :] *= MORE
    return services.names, load


def pods(load: FloatArray) -> list[int]:
    """Return how many Pods of one core each service has, throughout."""
    week = load[:, : load.shape[1] // 2]
    return [max(2, int(np.ceil(peak / USE))) for peak in week.max(axis=1)]


def write_metrics(path: Path) -> None:
    """Write all samples in the OpenMetrics text format, a family and a series at a time."""
    names, load = load_cores()
    counts = pods(load)
    each = [
        (s, f'namespace="shop",pod="{name}-7c5f-{i}"')
        for s, name in enumerate(names)
        for i in range(counts[s])
    ]
    with path.open("w", encoding="utf-8") as out:
        out.write("# TYPE container_cpu_usage_seconds counter\n")
        times = np.arange(0, DAYS * 86_400 + 1, SCRAPE_S)
        edges = np.arange(load.shape[1] + 1) * 300
        used = np.concatenate([np.zeros((len(load), 1)), np.cumsum(load * 300, axis=1)], axis=1)
        for s, own in each:
            spent = np.interp(times, edges, used[s]) / counts[s]
            head = f'container_cpu_usage_seconds_total{{{own},container="main"}}'
            pairs = zip(spent.tolist(), times.tolist(), strict=True)
            out.writelines(f"{head} {value:.3f} {START_S + t}\n" for value, t in pairs)
        for family, rows in _seldom(names, each).items():
            out.write(f"# TYPE {family} gauge\n")
            for labels, value in rows:
                out.writelines(
                    f"{family}{{{labels}}} {value} {START_S + t}\n"
                    for t in range(0, DAYS * 86_400 + 1, SELDOM_S)
                )
        out.write("# EOF\n")


def _seldom(
    names: tuple[str, ...], each: list[tuple[int, str]]
) -> dict[str, list[tuple[str, float]]]:
    """Return labels and values of what hardly changes, by family."""
    owners = [f'{own},owner_kind="ReplicaSet",owner_name="{names[s]}-7c5f"' for s, own in each]
    above = [
        f'namespace="shop",replicaset="{name}-7c5f",owner_kind="Deployment",owner_name="{name}"'
        for name in names
    ]
    asked = (("cpu", 1.0), ("memory", 2.0 * 2**30))
    room = (("cpu", float(CORES)), ("memory", float(MEMORY)))
    return {
        "kube_pod_status_phase": [(f'{own},phase="Running"', 1.0) for _, own in each],
        "kube_pod_owner": [(labels, 1.0) for labels in owners],
        "kube_pod_container_resource_requests": [
            (f'{own},resource="{name}"', value) for _, own in each for name, value in asked
        ],
        "kube_replicaset_owner": [(labels, 1.0) for labels in above],
        "kube_node_status_capacity": [
            (f'node="n{i:02d}",resource="{name}"', value)
            for i in range(NODES)
            for name, value in room
        ],
    }


def write_meter(path: Path, week: int) -> Path:
    """Write what the room's meters read by the hour: machines, and all of it before cooling."""
    _, load = load_cores()
    per_week = load.shape[1] // 2
    use = load[:, week * per_week : (week + 1) * per_week].sum(axis=0) / (NODES * CORES)
    kwh = NODES * (IDLE_W + (PEAK_W - IDLE_W) * use.reshape(-1, 12).mean(axis=1)) / 1000
    kwh *= 1 + 0.01 * np.random.default_rng(week).standard_normal(len(kwh))
    rows = ["from,until,energy_kwh,machine_type,site"]
    for hour, energy in enumerate(kwh):
        begin = np.datetime64(START_S + week * 604_800 + hour * 3_600, "s")
        span = f"{begin}Z,{begin + np.timedelta64(1, 'h')}Z"
        rows += [f"{span},{energy:.4f},node-1,", f"{span},{energy * PUE:.4f},,here"]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_nodes(path: Path, week: int) -> Path:
    """Write how many machines were on: all of them, as nobody switched any off."""
    begin = np.datetime64(START_S + week * 604_800, "s")
    span = f"{begin}Z,{begin + np.timedelta64(7, 'D')}Z"
    text = f"from,until,machine_type,machines_on\n{span},node-1,{NODES}\n"
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def served(folder: Path, port: int) -> Iterator[str]:
    """Yield the address of a Prometheus that has the two weeks, meters beside it in `folder`."""
    for week in (0, 1):
        write_meter(folder / f"pdu-{week + 1}.csv", week)
        write_nodes(folder / f"nodes-{week + 1}.csv", week)
    text = folder / "weeks.om"
    write_metrics(text)
    with serving(text, folder, port, f"--query.lookback-delta={LOOKBACK}") as url:
        yield url


def main() -> None:
    """Serve until interrupted."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with served(folder, port) as url:
        sys.stdout.write(f"{url} has two weeks, until 2023-03-12T16:00Z; meters: {folder}\n")
        sys.stdout.flush()
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
