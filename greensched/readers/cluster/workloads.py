"""Workloads: Pods folded into what they are replicas of, and what runs on every node."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.errors import escape_control
from greensched.readers.cluster.objects import OddError, integer, mapping, value
from greensched.readers.cluster.pods import pods_of, request_of

if TYPE_CHECKING:
    from greensched.readers.cluster.objects import Object, Objects
    from greensched.readers.cluster.pods import Owner, Pod, Request

SCALED: Final = ("Deployment", "StatefulSet")
USUAL: Final = frozenset((*SCALED, "ReplicaSet", "ReplicationController", "Pod"))
BATCH: Final = ("Job", "CronJob")
PER_NODE: Final = ("DaemonSet", "Node")  # Node: Pods of the kubelet's own files


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Equal Pods of one owner: `replicas` of `request`."""

    owner: Owner
    replicas: int
    request: Request
    qos: str

    @property
    def title(self) -> str:
        """Return namespace and name."""
        return f"{self.owner[0]}/{self.owner[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What the Pods of a cluster are: workloads, what each node runs of its own, and what not."""

    workloads: tuple[Workload, ...]
    per_node: dict[str, tuple[int, int]]  # node -> CPU [millicores], memory [MiB]
    findings: tuple[str, ...]


def folded(objects: Objects, label: str) -> Folded:
    """Return Pods by owner; a workload's replicas are those that its owner asks for.

    Pods of one owner that ask for different amounts (in the middle of a roll-out) count as the
    most frequent request, of ties the largest.
    """
    live: dict[Owner, list[Pod]] = defaultdict(list)
    per_node: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    ended = 0
    for pod in pods_of(objects):
        if pod.owner[1] in BATCH:
            continue
        if not pod.is_live:
            ended += 1
        elif pod.owner[1] in PER_NODE:
            cpu_m, memory_mib = per_node[pod.node]
            per_node[pod.node] = (
                cpu_m + pod.request.cpu_m,
                memory_mib + pod.request.memory_mib,
            )
        else:
            live[pod.owner].append(pod)
    stated = {key: entry for kind in SCALED for key, entry in objects.each(kind, _stated)}
    workloads, counts = _workloads(live, stated)
    told = (*counts, (ended, "Pods that have ended left out"))
    return Folded(
        workloads=workloads,
        per_node=dict(per_node),
        findings=tuple(f"{label}: {count:,} {what}" for count, what in told if count),
    )


def _workloads(
    live: dict[Owner, list[Pod]], stated: dict[Owner, tuple[int, Request]]
) -> tuple[tuple[Workload, ...], tuple[tuple[int, str], ...]]:
    """Return the workloads, sorted by owner, and how many of what was assumed or left out."""
    made, none, mixed, unseen = [], 0, 0, 0
    for owner in sorted({*live, *stated}):
        found = live.get(owner, [])
        replicas = stated[owner][0] if owner in stated else len(found)
        if not replicas:
            none += 1
            continue
        requests = Counter(p.request for p in found) or Counter([stated[owner][1]])
        mixed += len(requests) > 1
        unseen += not found
        usual = max(requests, key=lambda r: (requests[r], r.cpu_m, r.memory_mib))
        qos = found[0].qos if found else ""
        made.append(Workload(owner=owner, replicas=replicas, request=usual, qos=qos))
    kinds = sorted({w.owner[1] for w in made} - USUAL)
    others = sum(w.owner[1] in kinds for w in made)
    counts = (
        (others, f"workloads of {', '.join(map(escape_control, kinds))} taken for services"),
        (none, "workloads ask for 0 replicas, left out"),
        (mixed, "workloads have Pods of different requests, the most frequent taken"),
        (unseen, "workloads have no Pod here, taken as their template says"),
    )
    return tuple(made), counts


def _stated(one: Object) -> tuple[tuple[str, str, str], tuple[int, Request]]:
    """Return what a Deployment or StatefulSet says of itself; one replica is the default."""
    template = mapping(one.body, "spec", "template")
    if value(one.body, "spec") is None:
        what = "spec: missing"
        raise OddError(what)
    replicas = integer(one.body, "spec", "replicas", default=1)
    return (one.namespace, one.kind, one.name), (replicas, request_of(template.get("spec")))
