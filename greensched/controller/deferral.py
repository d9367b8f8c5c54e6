"""`Deferral`: what is remembered of a Job until it is settled, in a resource keyed by its UID.

It outlives the Job, which may be gone before actual intensity is known. Once it is settled it
gets the Job as its owner, and the cluster's garbage collector removes both together.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.controller.api import DEFERRALS
from greensched.controller.energy import Power

if TYPE_CHECKING:
    from greensched.controller.api import Json
    from greensched.controller.job import Job
    from greensched.controller.policy import Spec

WAITING: Final = "Waiting"
RELEASED: Final = "Released"
OVERRIDDEN: Final = "Overridden"  # somebody let it run before we did
HELD: Final = "Held"  # somebody suspended it after we let it run
ENDED: Final = "Ended"
GONE: Final = "Gone"  # deleted before it ran
OPEN: Final = (WAITING, RELEASED, OVERRIDDEN, HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """Of one Job; instants are [ms since 1970 UTC].

    `runs` are [start, end, whether its work was kept]. `outlook` is the forecast that it began to
    wait under, as text; empty where there was none. In a `dry_run` runs are where the plan would
    have had them.
    `expected_ms` is how long its run was expected to last when it was let run. `is_estimated`:
    nobody saw its last run end, which is taken to have lasted so long.
    `settled` is the settlement, `is_final` whether nothing of it can change any more.
    """

    namespace: str
    job: str
    uid: str
    version: str = ""
    policy: str = ""
    zone: str = ""
    provider: str = ""  # as the policy named it, which may be gone by when it is settled
    created_ms: int
    phase: str = WAITING
    dry_run: bool = False
    released_ms: int | None = None
    expected_ms: int | None = None
    ended_ms: int | None = None
    has_failed: bool = False
    runs: tuple[tuple[int, int, bool], ...] = ()
    is_estimated: bool = False
    outlook: str = ""
    power: Power | None = None
    settled: Json | None = None
    is_final: bool = False

    @property
    def name(self) -> str:
        """Return the resource's name, which no other Job's has."""
        return name_of(self.uid)


def name_of(uid: str) -> str:
    """Return the name of a Job's Deferral."""
    return f"job-{uid}"


def body_of(one: Deferral) -> Json:
    """Return the JSON of a Deferral; one that is final belongs to its Job from now on."""
    values: Json = {name: getattr(one, name) for name in _KEYS}
    meta: Json = {"name": one.name, "namespace": one.namespace}
    if one.version:
        meta["resourceVersion"] = one.version
    if one.is_final:
        meta["ownerReferences"] = [
            {"apiVersion": "batch/v1", "kind": "Job", "name": one.job, "uid": one.uid}
        ]
    values["runs"] = [list(run) for run in one.runs]
    values["power"] = None if one.power is None else asdict(one.power)
    values["outlook"] = json.loads(one.outlook) if one.outlook else None
    spec = {key: values[name] for name, key in _KEYS.items() if values[name] is not None}
    return {
        "apiVersion": DEFERRALS.api_version,
        "kind": DEFERRALS.name,
        "metadata": meta,
        "spec": spec,
    }


def read_deferral(raw: Json) -> Deferral:
    """Return a Deferral of the API's JSON."""
    meta = raw["metadata"]
    spec = raw["spec"]
    known: dict[str, Any] = {name: spec[key] for name, key in _KEYS.items() if key in spec}
    if "power" in known:
        known["power"] = Power(**known["power"])
    if "outlook" in known:
        known["outlook"] = json.dumps(known["outlook"], separators=(",", ":"))
    known["runs"] = tuple((a, b, kept) for a, b, kept in known.get("runs", ()))
    known |= {name: sys.intern(known[name]) for name in _SHARED if name in known}
    return Deferral(
        namespace=sys.intern(meta["namespace"]), version=meta.get("resourceVersion") or "", **known
    )


def new_deferral(job: Job, policy: str, spec: Spec, *, dry_run: bool = False) -> Deferral:
    """Return the first record of a Job under a policy, named and as it is specified."""
    return Deferral(
        namespace=job.namespace,
        job=job.name,
        uid=job.uid,
        policy=policy,
        zone=spec.zone,
        provider=spec.provider,
        created_ms=job.created_ms,
        dry_run=dry_run,
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_SHARED: Final = ("policy", "zone", "provider", "phase")  # by most records: kept once
_KEYS: Final = {  # of `spec`, by field
    name: _camel(name)
    for name in Deferral.__dataclass_fields__
    if name not in ("namespace", "version")
}
