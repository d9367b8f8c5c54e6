"""What a run decided, as manifests of what people already operate; one file a target.

Each target makes documents from `Decided`, and lists what of the run it cannot express.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from greensched.export.decided import Decided, Export

TARGETS: Final = {
    "hpa": "greensched.export.hpa",
    "keda-cron": "greensched.export.keda_cron",
    "kube-green": "greensched.export.kube_green",
    "koordinator": "greensched.export.koordinator",
    "carbonpolicy": "greensched.export.carbonpolicy",
}


def export(decided: Decided, target: str) -> Export:
    """Return what `target`, a key of `TARGETS`, can express of a run."""
    made: Export = import_module(TARGETS[target]).made(decided)
    return made
