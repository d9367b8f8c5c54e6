"""Jobs and policies as users write them."""

from __future__ import annotations

from typing import Any

from greensched.controller.names import DEFER_LABEL, GROUP, PREFIX
from tests.controller.runner import ACTUAL

START_MS = 1_773_097_200_000  # 2026-03-09T23:00Z


def job_body(name: str, *, actual_s: int = 3_600, suspend: bool = True, **notes: Any) -> Any:
    """Return a Job that waits; `notes` are annotations, `_` for `-`."""
    annotations = {f"{PREFIX}{k.replace('_', '-')}": v for k, v in notes.items()}
    container = {
        "name": "main",
        "image": "example.org/train:1",
        "resources": {"requests": {"cpu": "2"}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": {DEFER_LABEL: "true"},
            "annotations": {**annotations, ACTUAL: str(actual_s)},
        },
        "spec": {
            "suspend": suspend,
            "completions": 1,
            "parallelism": 1,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def policy_body(name: str = "default", **spec: Any) -> Any:
    """Return a policy for all namespaces."""
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "CarbonPolicy",
        "metadata": {"name": name},
        "spec": {"zone": "DE", "provider": "main", "defaults": {"maxDelay": "12h"}, **spec},
    }
