"""`koordinator`: its ConfigMap of co-location and thresholds, and a profile for batch pods.

Source: Koordinator's documentation, "SLO Configuration" (keys `colocation-config` and
`resource-threshold-config` of `slo-controller-config`) and "Colocation Profile".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from greensched.export.decided import Export
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.export.decided import Decided

NAMESPACE: Final = "koordinator-system"
LABEL: Final = {"greensched.io/colocated": "true"}


def made(decided: Decided) -> Export:
    """Return the settings of a run with `colocation`."""
    policy = decided.policy("colocation")
    lost = [
        "the prediction (N-sigma, percentiles of decaying histograms): koordlet has its own",
        f"min_reserved {policy.min_reserved:g}: which machines are to become empty",
        (
            f"jobs without checkpoints beyond {policy.job_max_ms / MS_PER_H:g} h are kept from"
            " shared machines: leave them without the label"
        ),
        *decided.others("colocation"),
    ]
    return Export(
        target="koordinator",
        documents=(_settings(decided, policy), _profile(decided)),
        not_expressed=tuple(lost),
        notes=(
            f"batch is what carries {next(iter(LABEL))}: label the pods that may share machines",
        ),
    )


def _percent(share: float) -> int:
    return round(100 * share)


def _settings(decided: Decided, policy: Any) -> dict[str, Any]:
    """Return the ConfigMap; its values are JSON as text."""
    colocation = {
        "enable": True,
        "cpuReclaimThresholdPercent": _percent(policy.reclaim_cpu_share),
        "memoryReclaimThresholdPercent": _percent(policy.reclaim_memory_share),
        "updateTimeThresholdSeconds": max(1, policy.limit_period_ms // 1000),
    }
    thresholds = {
        "clusterStrategy": {
            "enable": True,
            "cpuSuppressThresholdPercent": _percent(policy.max_cpu),
            "memoryEvictThresholdPercent": _percent(policy.max_memory),
        }
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "slo-controller-config",
            "namespace": NAMESPACE,
            "annotations": {"greensched.io/result": decided.scenario.result_name},
        },
        "data": {
            "colocation-config": json.dumps(colocation, indent=2),
            "resource-threshold-config": json.dumps(thresholds, indent=2),
        },
    }


def _profile(decided: Decided) -> dict[str, Any]:
    """Return the profile by which labelled pods become batch."""
    return {
        "apiVersion": "config.koordinator.sh/v1alpha1",
        "kind": "ClusterColocationProfile",
        "metadata": {
            "name": "greensched-batch",
            "annotations": {"greensched.io/result": decided.scenario.result_name},
        },
        "spec": {
            "selector": {"matchLabels": dict(LABEL)},
            "qosClass": "BE",
            "priorityClassName": "koord-batch",
        },
    }
