"""What the reader `kubernetes` makes of a cluster's objects, and of odd ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError
from greensched.readers import kubernetes
from greensched.readers.cluster.objects import OddError
from greensched.readers.cluster.pods import request_of
from greensched.readers.cluster.quantities import mebibytes, millicores
from greensched.readers.cluster.snapshot import cluster_of
from greensched.readers.options import ReadOptions
from greensched.readers.store import open_store, write_store
from tests.readers.builders import refusal
from tests.readers.kubernetes_cases import hpa, job, node, pod, shop, template, workload, written

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Trace


def read(path: Path, **options: Any) -> Trace:
    """Return the trace of one file."""
    return kubernetes.read([path], ReadOptions(**options))


def test_pods_are_folded_into_services(tmp_path: Path) -> None:
    """Replicas are those their owner asks for, limits those of its HPA; 0 replicas are none."""
    services = read(written(tmp_path, shop())).services
    assert services is not None
    assert ("shop/db", "shop/web") == services.names
    assert [2, 3] == services.replicas.tolist()
    assert [2_000, 500] == services.replica_cpu_m.tolist()
    assert [8_192, 1_024] == services.replica_memory_mib.tolist()
    assert [1, 2] == services.replicas_min.tolist()
    assert [-1, 10] == services.replicas_max.tolist()
    assert [[4_000], [1_500]] == services.load_cpu_m.tolist()


def test_a_snapshot_says_so(tmp_path: Path) -> None:
    """The trace is no timeline, and says what it is and where load comes from."""
    trace = read(written(tmp_path, shop()))
    assert not trace.timeline
    said = "\n".join(trace.findings)
    assert "a snapshot: it tells what workloads ask for" in said
    assert "--reader prometheus" in said
    assert "1 workloads ask for 0 replicas, left out" in said
    assert "1 nodes of the control plane left out" in said


def test_jobs_keep_their_times(tmp_path: Path) -> None:
    """A Job lasts until it ended or the snapshot, whose week begins on the hour; held ones not."""
    trace = read(written(tmp_path, shop()))
    assert trace.jobs is not None
    assert trace.jobs.ids is not None
    assert "2026-03-02T10:00:00Z" == trace.zero_utc
    week_ms = 7 * 86_400_000
    assert [week_ms - 9 * 3_600_000, week_ms - 3_600_000] == trace.jobs.submit_ms.tolist()
    assert [5_400_000, 80 * 60_000 + 30_000] == trace.jobs.duration_ms.tolist()
    assert ["shop/etl-1", "shop/etl-2"] == list(trace.jobs.ids)
    assert "1 Jobs that never ran left out" in "\n".join(trace.findings)
    assert "1 Jobs still run: their duration so far is taken" in "\n".join(trace.findings)
    (only,) = trace.jobs.classes
    assert (("namespace", "shop"), ("owner", "etl")) == only.attributes


@pytest.mark.parametrize("stamp", ["2099-01-01T00:00:00Z", "2026-13-32T25:00:00Z"])
def test_what_people_write_is_not_when_it_was_seen(stamp: str, tmp_path: Path) -> None:
    """Times in annotations and labels, whatever they are, do not move the week of the Jobs."""
    noted = node("n9")
    noted["metadata"]["annotations"] = {"team/expires": stamp}
    noted["metadata"]["labels"]["since"] = stamp
    assert "2026-03-02T10:00:00Z" == read(written(tmp_path, [*shop(), noted])).zero_utc


def test_what_no_node_has_room_for_is_left_out(tmp_path: Path) -> None:
    """A Pod that waits for a larger node, or a Job whose node is gone, is told and no part."""
    more = [pod("wide", None, template("64")), job("gpu", "03:00:00", "04:00:00")]
    more[1]["spec"]["template"]["spec"] = template("1", "2Ti")
    trace = read(written(tmp_path, [*shop(), *more]))
    assert trace.services is not None
    assert trace.jobs is not None
    assert "shop/wide" not in trace.services.names
    assert 2 == len(trace.jobs)
    said = "\n".join(trace.findings)
    assert "1 workloads left out that are larger than every node that is there: shop/wide" in said
    assert "1 Jobs left out that are larger than every node that is there: shop/gpu" in said


def test_nodes_that_are_no_machines_are_left_out(tmp_path: Path) -> None:
    """A virtual kubelet and a node without CPU are told, and no machines."""
    virtual = node("v", "vk", labels={"type": "virtual-kubelet"}, capacity={
        "cpu": "10k", "memory": "40Ti"})  # fmt: skip
    tainted = node("w", "vk", spec={"taints": [{"key": "virtual-kubelet.io/provider"}]})
    empty = node("x", "gone", capacity={"cpu": "0", "memory": "0"})
    trace = read(written(tmp_path, [*shop(), virtual, tainted, empty]))
    assert trace.machines is not None
    assert (("web",), [3]) == (trace.machines.names, trace.machines.count.tolist())
    said = "\n".join(trace.findings)
    assert "2 nodes that stand for another service (virtual kubelets) left out" in said
    assert "1 nodes without CPU left out" in said


def test_owners_of_other_kinds_are_told(tmp_path: Path) -> None:
    """Pods of an operator's own kinds are taken for services, and it is said."""
    more = pod("head", ("RayCluster", "ray"), template())
    trace = read(written(tmp_path, [*shop(), more]))
    assert trace.services is not None
    assert "shop/ray" in trace.services.names
    assert "1 workloads of RayCluster taken for services" in "\n".join(trace.findings)


def test_pools_less_what_they_keep(tmp_path: Path) -> None:
    """Machines are pools without what system and DaemonSets take of the node that has most."""
    cluster = cluster_of([written(tmp_path, shop())], ReadOptions())
    (pool,) = cluster.pools
    assert ("web", "m6i.4xlarge", 3, 16_000) == (
        pool.name, pool.instance_type, pool.count, pool.cpu_m,
    )  # fmt: skip
    assert (110 + 100, 4 * 1_024 + 200) == (pool.reserved_cpu_m, pool.reserved_memory_mib)
    machines = read(written(tmp_path, shop())).machines
    assert machines is not None
    assert ([3], [15_790]) == (machines.count.tolist(), machines.cpu_m.tolist())


def test_nodes_of_several_sizes_are_several_pools(tmp_path: Path) -> None:
    """A pool whose nodes differ is two, numbered; GPUs and spot are told."""
    gpu: dict[str, Any] = {
        "capacity": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"},
        "allocatable": None,
    }
    spot = {"eks.amazonaws.com/capacityType": "SPOT", "nvidia.com/gpu.product": "T4"}
    path = written(tmp_path, [node("a"), node("b", labels=spot, **gpu)])
    pools = cluster_of([path], ReadOptions()).pools
    assert ["web", "web/2"] == [p.name for p in pools]
    assert [("", 0, False), ("T4", 1, True)] == [
        (p.gpu_model, p.gpus, p.is_spot) for p in pools
    ]  # fmt: skip


def test_several_files_and_lists(tmp_path: Path) -> None:
    """Objects of several files are one cluster, each counted once; lists of one kind will do."""
    whole = written(tmp_path, shop())
    pods = tmp_path / "pods.json"
    items = [{k: v for k, v in o.items() if k != "kind"} for o in shop() if o["kind"] == "Pod"]
    pods.write_text(json.dumps({"kind": "PodList", "apiVersion": "v1", "items": items}))
    trace = kubernetes.read([whole, pods], ReadOptions())
    assert "6 exact copies of an object dropped" in "\n".join(trace.findings)
    assert trace.services is not None
    assert 2 == len(trace.services)


def test_the_store_keeps_attributes(tmp_path: Path) -> None:
    """What a class of jobs tells of itself survives the store."""
    write_store(read(written(tmp_path, shop())), tmp_path / "store")
    jobs = open_store(tmp_path / "store").jobs
    assert jobs is not None
    assert (("namespace", "shop"), ("owner", "etl")) == jobs.classes[0].attributes


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (template("250m", "64Mi"), (250, 64)),
        ({**template("1", "1Gi"), "initContainers": template("3", "1Mi")["containers"]},
         (3_000, 1_024)),
        ({**template("1", "1Gi"), "initContainers": [
            {**template("1", "1Gi")["containers"][0], "restartPolicy": "Always"}]},
         (2_000, 2_048)),
        ({**template("1", "1Gi"), "overhead": {"cpu": "100m", "memory": "10Mi"}}, (1_100, 1_034)),
        ({"containers": [{"resources": {"limits": {"cpu": 2}}}, {"resources": {}}]}, (2_000, 0)),
        ({**template("1", "1Gi"), "resources": {"requests": {"cpu": "4"}}}, (4_000, 1_024)),
        (None, (0, 0)),
    ],
)  # fmt: skip
def test_what_a_pod_asks_for(spec: Any, expected: tuple[int, int]) -> None:
    """The sum of containers, or the largest init container with what runs beside it; overhead."""
    asked = request_of(spec)
    assert expected == (asked.cpu_m, asked.memory_mib)


@pytest.mark.parametrize(
    ("text", "cpu_m"),
    [("1", 1_000), ("100m", 100), ("0.1", 100), ("1500u", 2), ("2k", 2_000_000), (3, 3_000),
     ("1e3", 1_000_000), (".5", 500)],
)  # fmt: skip
def test_quantities_of_cpu(text: object, cpu_m: int) -> None:
    """CPU is read as the API documents quantities, fractions of a millicore rounded up."""
    assert cpu_m == millicores(text)


@pytest.mark.parametrize(
    ("text", "mib"),
    [("1Gi", 1_024), ("128974848", 123), ("129e6", 124), ("129M", 124), ("128974848000m", 123),
     ("1Ki", 1), ("0", 0)],
)  # fmt: skip
def test_quantities_of_memory(text: object, mib: int) -> None:
    """Memory is read as the API documents quantities, in whole MiB rounded up."""
    assert mib == mebibytes(text)


@pytest.mark.parametrize("text", ["", "1.5.0", "1 Gi", "abc", "-1", None, True, "1e999", "9" * 65])
def test_no_quantity(text: object) -> None:
    """What is no quantity is odd, never 0."""
    with pytest.raises(OddError):
        millicores(text)


BAD: dict[str, tuple[Any, str]] = {
    "cpu": (pod("p", None, template("much")), "Pod: cpu: no quantity ('shop/p: much')"),
    "node": (node("n", capacity={"memory": "1Gi"}), "Node: cpu: no quantity"),
    "replicas": (workload("Deployment", "d", -1, template()), "spec.replicas: not a whole number"),
    "labels": ({**node("n"), "metadata": {"name": "n", "labels": ["a"]}}, "metadata.labels: not"),
    "end": (job("j", "02:00:00", "01:00:00"), "Job: end before start"),
    "time": ({**job("j", "02:00:00", None), "status": {"startTime": "now"}}, "startTime: no time"),
    "hpa": ({**hpa("h", "w", 1, 2), "spec": {}}, "scaleTargetRef.kind: missing"),
    "name": ({"kind": "Pod", "metadata": {}}, "metadata.name: missing"),
    "long": ({"kind": "Pod", "metadata": {"name": "x" * 300}}, "a name longer than 253 bytes"),
    "object": ("text", "not an object"),
    "large": (pod("p", None, template("9E")), "Pod: cpu: more than is held ('shop/p: 9e+18')"),
    "memory": (node("n", capacity={"cpu": 1, "memory": "9E"}), "Node: memory: more than is held"),
    "parallel": (job("j", None, None, completions="all"), "completions: not a whole number"),
    "stable": (
        {
            **hpa("h", "w", 1, 2),
            "spec": {
                **hpa("h", "w", 1, 2)["spec"],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": "long"}},
            },
        },
        "stabilizationWindowSeconds: not a whole number",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_odd_objects_are_refused_or_dropped(case: str, tmp_path: Path) -> None:
    """An object that is not as documented is refused with its place, or dropped and counted."""
    odd, said = BAD[case]
    path = written(tmp_path, [*shop(), odd])
    told = refusal(lambda: read(path), DataError)
    assert said in told
    assert "cluster.json row" in told
    kept = read(path, on_bad="drop")
    assert any("dropped" in f for f in kept.findings)
    assert kept.services is not None


def test_conflicting_copies_are_refused(tmp_path: Path) -> None:
    """Two objects of one kind and name that differ are refused, not chosen between."""
    path = written(tmp_path, [*shop(), workload("Deployment", "web", 5, template())])
    assert "given again with other values" in refusal(lambda: read(path), DataError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Pod", "is no JSON"),
        ("[1]", "an object has no kind"),
        ('{"kind": "List", "items": []}', "no objects"),
        ('{"kind": "Secret", "metadata": {"name": "s"}}', "no nodes, workloads or Jobs"),
        ('{"a": NaN}', "is no JSON"),
    ],
)
def test_files_that_are_no_answer(text: str, said: str, tmp_path: Path) -> None:
    """A file that kubectl did not print as JSON is refused with the command that asks for it."""
    path = tmp_path / "c.json"
    path.write_text(text)
    told = refusal(lambda: read(path), DataError)
    assert said in told
    assert "kubectl get nodes,pods" in told
