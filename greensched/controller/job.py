"""A Job as the controller sees it: what matters of its JSON, tolerant of what is odd."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from greensched.controller.names import (
    CRON_JOB,
    CRON_TIME,
    DEFER_LABEL,
    KUEUE_QUEUE,
    OWN_CONTROLLER,
    PREFIX,
)
from greensched.providers.points import instant_ms
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greensched.controller.api import Json

_SUFFIXES: Final = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6}
GPU: Final = "/gpu"  # nvidia.com/gpu, amd.com/gpu, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A Job; instants are [ms since 1970 UTC], `notes` our annotations without their prefix.

    `cpu_m` and `gpus` are the requests of one Pod. `program` stands for images, commands and
    arguments. `owner` is the controller's (kind, name), None where it has none.
    """

    namespace: str
    name: str
    uid: str
    version: str
    created_ms: int
    is_labelled: bool
    is_suspended: bool
    is_queued_elsewhere: bool = False  # Kueue's
    managed_by: str = OWN_CONTROLLER
    owner: tuple[str, str] | None = None
    scheduled_at: str = ""  # by its CronJob
    parallelism: int = 1
    completions: int | None = None
    succeeded: int = 0
    active: int = 0
    cpu_m: int = 0
    gpus: int = 0
    program: str = ""
    started_ms: int | None = None
    suspended_ms: int | None = None  # since then, while it is
    ended_ms: int | None = None
    has_failed: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return `namespace/name`, as people call it."""
        return f"{self.namespace}/{self.name}"

    @property
    def pods(self) -> int:
        """Return how many Pods run at once, of indexes that are not finished."""
        if self.completions is None:
            return max(1, self.parallelism)
        return max(1, min(self.parallelism, self.completions - self.succeeded))

    @property
    def is_of_cron(self) -> bool:
        """Tell whether a CronJob made it."""
        return self.owner is not None and self.owner[0] == CRON_JOB

    @property
    def learning_key(self) -> str:
        """Return what it shares with its earlier runs: owner, image and arguments."""
        owner = "" if self.owner is None else f"{self.owner[0]}/{self.owner[1]}"
        return f"{self.namespace}/{owner}/{self.program}"


def read_job(raw: Json) -> Job:
    """Return a Job of the API's JSON; fields that are missing or null are as by default."""
    meta, spec, status = (_part(raw, name) for name in ("metadata", "spec", "status"))
    labels, annotations = _part(meta, "labels"), _part(meta, "annotations")
    pod = _part(_part(spec, "template"), "spec")
    containers = [c for c in pod.get("containers") or [] if isinstance(c, dict)]
    ended_ms, has_failed = _ended(status)
    return Job(
        namespace=sys.intern(str(meta.get("namespace") or "")),  # one for all Jobs that share it
        name=meta["name"],
        uid=meta["uid"],
        version=meta.get("resourceVersion") or "",
        created_ms=_instant(meta.get("creationTimestamp")) or 0,
        is_labelled=labels.get(DEFER_LABEL) == "true",
        is_suspended=bool(spec.get("suspend")),
        is_queued_elsewhere=KUEUE_QUEUE in labels,
        managed_by=spec.get("managedBy") or OWN_CONTROLLER,
        owner=_owner(meta),
        scheduled_at=annotations.get(CRON_TIME) or "",
        parallelism=_whole(spec.get("parallelism"), 1),
        completions=_whole(spec.get("completions"), None),
        succeeded=_whole(status.get("succeeded"), 0),
        active=_whole(status.get("active"), 0),
        cpu_m=round(sum(_requested(containers, "cpu")) * CPU_M_PER_CORE),
        gpus=round(sum(_requested(containers, GPU))),
        program=sys.intern(_program(containers)),
        started_ms=_instant(status.get("startTime")),
        suspended_ms=_suspended_ms(status),
        ended_ms=ended_ms,
        has_failed=has_failed,
        notes={
            sys.intern(name.removeprefix(PREFIX)): str(value)
            for name, value in annotations.items()
            if name.startswith(PREFIX)
        },
    )


def quantity(text: object) -> float:
    """Return a Kubernetes quantity (`500m`, `2`, `1.5`); raises ValueError for what is none."""
    word = str(text).strip()
    suffix = word[-1:] if word[-1:].isalpha() else ""
    if suffix not in _SUFFIXES:
        message = f"{text!r} is no quantity such as 2, 1.5 or 500m"
        raise ValueError(message)
    return float(word.removesuffix(suffix)) * _SUFFIXES[suffix]


def _part(raw: Json, name: str) -> Json:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _whole(value: object, default: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _instant(text: object) -> int | None:
    try:
        return None if text is None else instant_ms(text)
    except ValueError:
        return None


def _owner(meta: Json) -> tuple[str, str] | None:
    for one in meta.get("ownerReferences") or []:
        if one.get("controller"):
            return one.get("kind") or "", one.get("name") or ""
    return None


def _ended(status: Json) -> tuple[int | None, bool]:
    """Return when a Job ended, None where it has not, and whether it failed."""
    for one in status.get("conditions") or []:
        if one.get("type") in ("Complete", "Failed") and one.get("status") == "True":
            at = status.get("completionTime") or one.get("lastTransitionTime")
            return _instant(at), one["type"] == "Failed"
    return None, False


def _suspended_ms(status: Json) -> int | None:
    for one in status.get("conditions") or []:
        if one.get("type") == "Suspended" and one.get("status") == "True":
            return _instant(one.get("lastTransitionTime"))
    return None


def _requested(containers: Iterable[Json], resource: str) -> Iterable[float]:
    """Yield what containers request of a resource, or of all whose names end like it."""
    for one in containers:
        resources = _part(one, "resources")
        for name, text in {**_part(resources, "limits"), **_part(resources, "requests")}.items():
            if name == resource or (resource == GPU and name.endswith(GPU)):
                try:
                    yield quantity(text)
                except ValueError:
                    continue


def _program(containers: Iterable[Json]) -> str:
    """Return a short digest of images, commands and arguments."""
    said = [[c.get("image"), c.get("command"), c.get("args")] for c in containers]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
