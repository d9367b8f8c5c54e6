"""Pods: what each asks for, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from greensched.readers.cluster.nodes import gpus_of
from greensched.readers.cluster.objects import mapping, sequence, string, value
from greensched.readers.cluster.quantities import exact, mebibytes, millicores

if TYPE_CHECKING:
    from greensched.readers.cluster.objects import Object, Objects

Owner: TypeAlias = tuple[str, str, str]  # namespace, kind, name

HASH_LABEL: Final = "pod-template-hash"  # what a Deployment adds to the name of a ReplicaSet
OVER: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a Pod asks the scheduler for; GPUs whole."""

    cpu_m: int
    memory_mib: int
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One Pod: its request, its owner at the top, where and how it stands."""

    owner: Owner
    request: Request
    node: str  # empty: on none
    phase: str
    qos: str
    labels: dict[str, str]

    @property
    def is_live(self) -> bool:
        """Say whether it still asks for capacity."""
        return self.phase not in OVER


def pods_of(objects: Objects) -> list[Pod]:
    """Return the Pods, each with its owner: a Deployment rather than its ReplicaSet."""
    above = {
        (o.namespace, o.kind, o.name): owner
        for o in (*objects.of("ReplicaSet"), *objects.of("Job"))
        if (owner := _controller(o)) is not None
    }
    return list(objects.each("Pod", lambda one: _pod(one, above)))


def request_of(spec: Any) -> Request:
    """Return what a Pod of `spec` asks for.

    The sum of its containers and of init containers that go on running, or the largest other init
    container, whichever is more, unless the Pod states a request for all of them; and the
    overhead of its runtime class (Kubernetes, "Init containers", "Resource sharing within
    containers", "Assign Pod-level CPU and memory resources").
    """
    totals = {"cpu": exact(0, ""), "memory": exact(0, ""), "gpu": exact(0, "")}
    peaks = dict(totals)
    for container in sequence(spec, "initContainers"):
        asked = _asked(container)
        if value(container, "restartPolicy") == "Always":
            totals = {k: totals[k] + asked[k] for k in totals}
            peaks = {k: max(peaks[k], totals[k]) for k in peaks}
        else:
            peaks = {k: max(peaks[k], totals[k] + asked[k]) for k in peaks}
    for container in sequence(spec, "containers"):
        asked = _asked(container)
        totals = {k: totals[k] + asked[k] for k in totals}
    most = {k: max(peaks[k], totals[k]) for k in totals}
    of_pod = mapping(spec, "resources", "requests")
    most |= {k: exact(of_pod[k], k) for k in ("cpu", "memory") if k in of_pod}
    overhead = mapping(spec, "overhead")
    for name in ("cpu", "memory"):
        most[name] += exact(overhead.get(name, 0), "overhead")
    return Request(
        cpu_m=millicores(str(float(most["cpu"]))),
        memory_mib=mebibytes(str(float(most["memory"]))),
        gpus=int(most["gpu"]),
    )


def _asked(container: Any) -> dict[str, Any]:
    """Return what one container asks for; a limit without a request is a request."""
    limits = mapping(container, "resources", "limits")
    asked = {**limits, **mapping(container, "resources", "requests")}
    return {
        "cpu": exact(asked.get("cpu", 0), "cpu"),
        "memory": exact(asked.get("memory", 0), "memory"),
        "gpu": exact(gpus_of(asked), "gpu"),
    }


def _pod(one: Object, above: dict[Owner, Owner]) -> Pod:
    owner = _controller(one) or (one.namespace, "Pod", one.name)
    if owner in above:
        owner = above[owner]
    elif owner[1] == "ReplicaSet" and (found := one.labels.get(HASH_LABEL)):
        name = owner[2].removesuffix(f"-{found}")
        owner = (owner[0], "Deployment", name) if name != owner[2] else owner
    return Pod(
        owner=owner,
        request=request_of(one.body.get("spec")),
        node=string(one.body, "spec", "nodeName", default=""),
        phase=string(one.body, "status", "phase", default=""),
        qos=string(one.body, "status", "qosClass", default=""),
        labels=one.labels,
    )


def _controller(one: Object) -> Owner | None:
    """Return the owner that manages an object, None for none."""
    for reference in sequence(one.body, "metadata", "ownerReferences"):
        if value(reference, "controller") is True:
            return (one.namespace, string(reference, "kind"), string(reference, "name"))
    return None
