"""`keda-cron`: a ScaledObject (keda.sh/v1alpha1) a service, replicas by the clock.

Source: KEDA's documentation, "Cron" scaler: `timezone`, `start`, `end` and `desiredReplicas` are
text; between triggers the least replicas hold, of triggers at one time the largest does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.export.decided import HOURS, Export, blocks, metadata

if TYPE_CHECKING:
    from greensched.export.decided import Decided, Workload
    from greensched.model import IntArray


def made(decided: Decided) -> Export:
    """Return the schedules of a run with `elastic`."""
    decided.policy("elastic")
    why = "as many replicas at every hour; set them in its Deployment"
    documents, without = decided.documents(_document, why)
    lost = (
        "load that is not as in this window: a schedule looks at no metric (add a cpu trigger)",
        "what changes within an hour: each hour has its largest number",
        "machines that empty and sleep: a cluster autoscaler's, with its own settings",
    )
    return Export(
        target="keda-cron",
        documents=documents,
        not_expressed=(*lost, *decided.unseen(), *without, *decided.others("elastic")),
    )


def _document(decided: Decided, one: Workload) -> dict[str, Any] | None:
    """Return one schedule; None where no hour differs."""
    profiles = decided.profiles(one)
    least = min(int(profile.min()) for profile in profiles.values())
    most = max(int(profile.max()) for profile in profiles.values())
    if least == most:
        return None
    triggers = [
        trigger
        for days, profile in profiles.items()
        for trigger in _triggers(profile, days, least, decided.zone)
    ]
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata(one, decided.scenario),
        "spec": {
            "scaleTargetRef": {"name": one.name},
            "minReplicaCount": least,
            "maxReplicaCount": most,
            "cooldownPeriod": 300,
            "triggers": triggers,
        },
    }


def _triggers(profile: IntArray, days: str, least: int, zone: str) -> list[dict[str, Any]]:
    """Return a trigger for each span of hours above the least replicas."""
    found = []
    for begin, until, replicas in blocks(profile):
        if replicas <= least:
            continue
        # The end of a day would be another day of the week: the last minute stands for it.
        end = "59 23" if until == HOURS else f"0 {until}"
        about = {
            "timezone": zone,
            "start": f"0 {begin} * * {days}",
            "end": f"{end} * * {days}",
            "desiredReplicas": str(replicas),
        }
        found.append({"type": "cron", "metadata": about})
    return found
