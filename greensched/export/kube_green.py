"""`kube-green`: a SleepInfo (kube-green.com/v1alpha1) a service, for the quiet hours of its day.

It knows two states. By itself asleep is no replica at all; here a patch (JSON 6902) sets the
replicas of the quiet hours in a row. Source: kube-green's definition of SleepInfo and its
documentation: `weekdays` and `sleepAt` are required, times are HH:MM, `timeZone` an IANA name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.export.decided import DAILY, HOURS, Export, metadata

if TYPE_CHECKING:
    from greensched.export.decided import Decided, Workload
    from greensched.model import IntArray

HOURS_MIN: Final = 2  # less is not worth a restart
QUIET: Final = 0.6  # of the largest replicas; at most so many are a rest


def made(decided: Decided) -> Export:
    """Return the hours of rest of a run with `elastic`."""
    decided.policy("elastic")
    documents, without = decided.documents(_document, f"no {HOURS_MIN} quiet hours in a row")
    lost = (
        "more than two levels of replicas a day, and differences between days",
        "load that is not as in this window: a schedule looks at no metric",
        "a service with an HPA: it would undo the patch at once; use one or the other",
    )
    return Export(
        target="kube-green",
        documents=documents,
        not_expressed=(*lost, *decided.unseen(), *without, *decided.others("elastic")),
    )


def _document(decided: Decided, one: Workload) -> dict[str, Any] | None:
    """Return the rest of one service; None where it has none."""
    profiles = list(decided.profiles(one).values())
    rest = quietest(np.max(profiles, axis=0))
    if rest is None:
        return None
    begin, until, replicas = rest
    patch = f"- op: add\n  path: /spec/replicas\n  value: {replicas}\n"
    return {
        "apiVersion": "kube-green.com/v1alpha1",
        "kind": "SleepInfo",
        "metadata": metadata(one, decided.scenario),
        "spec": {
            "weekdays": DAILY,
            "sleepAt": f"{begin:02d}:00",
            "wakeUpAt": f"{until:02d}:00",
            "timeZone": decided.zone,
            "suspendDeployments": False,
            "suspendStatefulSets": False,
            "includeRef": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": one.name}],
            "patches": [{"target": {"group": "apps", "kind": "Deployment"}, "patch": patch}],
        },
    }


def quietest(profile: IntArray) -> tuple[int, int, int] | None:
    """Return (from, until, replicas) of the hours in a row that save most, over midnight too.

    Their replicas are at most `QUIET` of the day's most; None where fewer than `HOURS_MIN` hours
    in a row are.
    """
    most = int(profile.max())
    best, found = 0, None
    for begin in range(HOURS):
        level = 0
        for length in range(1, HOURS):
            level = max(level, int(profile[(begin + length - 1) % HOURS]))
            if level > QUIET * most:
                break
            saved = (most - level) * length
            if length >= HOURS_MIN and saved > best:
                best, found = saved, (begin, (begin + length) % HOURS, level)
    return found
