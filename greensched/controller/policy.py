"""`CarbonPolicy`: what holds for the namespaces that it covers; read from its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from greensched.controller.job import quantity
from greensched.controller.terms import span_ms
from greensched.providers.points import utc
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.controller.api import Json

Span = Annotated[int, BeforeValidator(span_ms)]
Cores = Annotated[int, BeforeValidator(lambda text: round(quantity(text) * CPU_M_PER_CORE))]
Learnt: TypeAlias = dict[str, dict[str, int]]  # program -> run -> seconds


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class Watts(_Part):
    """A figure with its range [W]."""

    low: float = Field(ge=0)
    mid: float = Field(ge=0)
    high: float = Field(ge=0)

    @property
    def all(self) -> tuple[float, float, float]:
        """Return low, mid and high."""
        return self.low, self.mid, self.high


# Of a hyperthread in a large fleet: Cloud Carbon Footprint, methodology, AWS (SPECpower): 0.74 W
# idle, 3.5 W at full load, half way between. Of a GPU: board power by the makers' data sheets,
# 70 W (T4) to 700 W (H100 SXM), 300 W an A100.
CORE_W: Final = Watts(low=0.74, mid=2.12, high=3.5)
GPU_W: Final = Watts(low=70, mid=300, high=700)


class Rates(_Part):
    """What a requested core and a GPU take [W]."""

    watts_per_core: Watts = CORE_W
    watts_per_gpu: Watts = GPU_W


class Energy(Rates):
    """How energy is known: `promql` of joules by Job, else rates by the nodes' instance type."""

    pue: float = Field(1.0, ge=1.0, le=3.0)
    promql: str = ""  # $namespace, $job and $span stand for the Job and its time
    instance_types: dict[str, Rates] = Field(default_factory=dict)


class Capacity(_Part):
    """What deferrable Jobs may use together at any time."""

    cpu: Cores = Field(gt=0)


class JobDefaults(_Part):
    """For Jobs that do not say."""

    max_delay: Span | None = None
    duration: Span = 3_600_000


class Spec(_Part):
    """`spec` of a CarbonPolicy; spans become [ms], cores thousandths."""

    zone: str = Field(min_length=1)
    provider: str = Field(min_length=1)
    namespaces: tuple[str, ...] = ()  # none: all
    capacity: Capacity | None = None
    defaults: JobDefaults = Field(default_factory=JobDefaults)
    energy: Energy = Field(default_factory=Energy)
    paused: bool = False


class Policy(_Part):
    """A CarbonPolicy; `problem` says why it cannot be followed, empty where it can."""

    name: str
    uid: str
    version: str
    generation: int
    spec: Spec | None
    problem: str = ""
    conditions: tuple[dict[str, Any], ...] = ()
    learnt: Learnt = Field(default_factory=dict)

    def covers(self, namespace: str) -> bool:
        """Tell whether it is meant for a namespace."""
        return self.spec is not None and (
            not self.spec.namespaces or namespace in self.spec.namespaces
        )


def read_policy(raw: Json) -> Policy:
    """Return a policy of the API's JSON; what is wrong with it is told in `problem`."""
    meta, status = raw["metadata"], raw.get("status") or {}
    spec, problem = None, ""
    try:
        spec = Spec.model_validate(raw.get("spec") or {})
    except ValidationError as error:
        problem = "; ".join(
            f"spec.{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
            for one in error.errors(include_url=False)
        )
    return Policy(
        name=meta["name"],
        uid=meta["uid"],
        version=meta.get("resourceVersion") or "",
        generation=meta.get("generation") or 0,
        spec=spec,
        problem=problem,
        conditions=tuple(status.get("conditions") or ()),
        learnt=status.get("learnt") or {},
    )


def policy_of(policies: Iterable[Policy], namespace: str) -> tuple[Policy | None, str]:
    """Return the one policy of a namespace, or None and why there is none."""
    covering = [p for p in policies if p.covers(namespace)]
    if len(covering) == 1:
        return covering[0], ""
    if covering:
        named = ", ".join(sorted(p.name for p in covering))
        return None, f"several policies cover the namespace {namespace}: {named}"
    broken = sorted(f"{p.name} ({p.problem})" for p in policies if p.problem)
    more = f"; broken: {', '.join(broken)}" if broken else ""
    return None, f"no policy covers the namespace {namespace}{more}"


def conflicts(policies: Iterable[Policy]) -> dict[str, str]:
    """Return the names of policies that overlap with another, and with which."""
    every = [p for p in policies if p.spec is not None]
    found: dict[str, list[str]] = {}
    for a in every:
        for b in every:
            if a.name != b.name and _overlap(a, b):
                found.setdefault(a.name, []).append(b.name)
    return {name: ", ".join(sorted(others)) for name, others in found.items()}


def status_of(policy: Policy, overlaps: str, learnt: Learnt, now_ms: int) -> dict[str, Any] | None:
    """Return the status that a policy should have, None where it has it."""
    wanted = {
        "Ready": (not policy.problem, "Invalid" if policy.problem else "Valid", policy.problem),
        "Conflict": (bool(overlaps), "Overlap" if overlaps else "Alone", overlaps),
    }
    before = {c.get("type"): c for c in policy.conditions}
    conditions = []
    for kind, (holds, reason, message) in wanted.items():
        one = {
            "type": kind,
            "status": "True" if holds else "False",
            "reason": reason,
            "message": message,
            "observedGeneration": policy.generation,
        }
        old = before.get(kind, {})
        moved = old.get("status") != one["status"]
        one["lastTransitionTime"] = utc(now_ms) if moved else old["lastTransitionTime"]
        conditions.append(one)
    if tuple(conditions) == policy.conditions and learnt == policy.learnt:
        return None
    return {
        "conditions": conditions,
        "observedGeneration": policy.generation,
        "learnt": learnt,
    }


def _overlap(a: Policy, b: Policy) -> bool:
    assert a.spec is not None
    assert b.spec is not None
    mine, theirs = set(a.spec.namespaces), set(b.spec.namespaces)
    return not mine or not theirs or bool(mine & theirs)
