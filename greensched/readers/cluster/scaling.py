"""HorizontalPodAutoscalers, autoscaling/v1 and /v2: who is scaled, between what, at what use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from greensched.readers.cluster.objects import integer, sequence, string

if TYPE_CHECKING:
    from greensched.readers.cluster.objects import Object, Objects

DEFAULT_TARGET: Final = 80  # percent of the request, where an HPA states no metric at all
STABILISATION_S: Final = 300  # of scale-down, where an HPA states none


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """An HPA: the replicas of its workload lie between `least` and `most`.

    `target_percent` is mean CPU use of the request; 0 where it scales by something else, which
    `others` names.
    """

    name: str
    workload: tuple[str, str, str]  # namespace, kind, name
    least: int
    most: int
    target_percent: int
    stabilisation_s: int
    others: tuple[str, ...]


def autoscalers_of(objects: Objects) -> list[Autoscaler]:
    """Return the autoscalers, sorted by workload."""
    found = objects.each("HorizontalPodAutoscaler", _autoscaler)
    return sorted(found, key=lambda a: a.workload)


def _autoscaler(one: Object) -> Autoscaler:
    spec = one.body.get("spec") or {}
    target, others = integer(spec, "targetCPUUtilizationPercentage", default=0), []
    metrics = sequence(spec, "metrics")
    for metric in metrics:
        kind = string(metric, "type")
        name = string(metric, "resource", "name", default="")
        percent = integer(metric, "resource", "target", "averageUtilization", default=0)
        if kind == "Resource" and name == "cpu" and percent:
            target = percent
        else:
            others.append(f"{kind} {name}".strip())
    if not metrics and not target:
        target = DEFAULT_TARGET
    return Autoscaler(
        name=one.title,
        workload=(
            one.namespace,
            string(spec, "scaleTargetRef", "kind"),
            string(spec, "scaleTargetRef", "name"),
        ),
        least=integer(spec, "minReplicas", default=1),
        most=integer(spec, "maxReplicas"),
        target_percent=target,
        stabilisation_s=integer(
            *(spec, "behavior", "scaleDown", "stabilizationWindowSeconds"), default=STABILISATION_S
        ),
        others=tuple(others),
    )
