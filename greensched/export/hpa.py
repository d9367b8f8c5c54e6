"""`hpa`: a HorizontalPodAutoscaler (autoscaling/v2) for each service.

Source: Kubernetes API reference, autoscaling/v2: stabilisation of at most 3,600 s, periods of at
most 1,800 s, whole percents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from greensched.export.decided import Export, metadata
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from greensched.export.decided import Decided, Workload

STABILISATION_MAX_S: Final = 3_600
PERIOD_MAX_S: Final = 1_800
TOLERANCE: Final = 0.1  # of the controller manager, where nobody has set another


def made(decided: Decided) -> Export:
    """Return the autoscalers of a run with `elastic`."""
    policy = decided.policy("elastic")
    documents, refused = decided.documents(_document)
    lost = [
        "the least and most replicas are those of this window, not limits that were chosen",
        "machines that empty and sleep: a cluster autoscaler's, with its own settings",
        *_beyond(policy),
        *refused,
        *decided.others("elastic"),
    ]
    if getattr(policy, "forecasts", False):
        lost.insert(0, f"{policy.kind}: replicas ahead of the load by forecast; an HPA reacts")
    return Export(
        target="hpa",
        documents=documents,
        not_expressed=tuple(lost),
        notes=("each targets the Deployment of the service's name; it must request CPU",),
    )


def _beyond(policy: Any) -> list[str]:
    """Return, in words, the policy's settings that an autoscaler cannot have."""
    limits = (
        ("stabilisation", policy.stabilisation_ms, STABILISATION_MAX_S),
        ("down_window", policy.down_window_ms, PERIOD_MAX_S),
        ("period", policy.period_ms, PERIOD_MAX_S),
    )
    found = [
        f"{name} of {span_ms / MS_PER_S:g} s: at most {most_s:,} s here"
        for name, span_ms, most_s in limits
        if span_ms > most_s * MS_PER_S
    ]
    if policy.tolerance != TOLERANCE:
        found.append(f"tolerance {policy.tolerance:g}: a setting of the cluster, {TOLERANCE:g}")
    return found


def _document(decided: Decided, one: Workload) -> dict[str, Any]:
    """Return one autoscaler."""
    policy = decided.policy("elastic")
    least, most = int(one.replicas.min()), int(one.replicas.max())
    metric = {"type": "Utilization", "averageUtilization": round(100 * policy.target)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(one, decided.scenario),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": one.name},
            "minReplicas": max(1, least),
            "maxReplicas": max(1, most),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": metric}}],
            "behavior": _behavior(policy),
        },
    }


def _behavior(policy: Any) -> dict[str, Any]:
    """Return the limits of steps, as the policy has them."""
    down_s = min(PERIOD_MAX_S, max(1, policy.down_window_ms // MS_PER_S))
    up_s = min(PERIOD_MAX_S, max(1, policy.period_ms // MS_PER_S))
    stable_s = min(STABILISATION_MAX_S, policy.stabilisation_ms // MS_PER_S)
    down = {"type": "Percent", "value": max(1, round(100 * policy.down_share))}
    up = [
        {"type": "Percent", "value": max(1, round(100 * (policy.up_factor - 1)))},
        {"type": "Pods", "value": int(policy.up_step)},
    ]
    return {
        "scaleDown": {
            "stabilizationWindowSeconds": stable_s,
            "policies": [{**down, "periodSeconds": down_s}],
        },
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{**step, "periodSeconds": up_s} for step in up],
        },
    }
