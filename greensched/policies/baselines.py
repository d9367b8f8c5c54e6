"""Baselines: what a scenario is compared with. A baseline is the scenario with these policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greensched.policies.autoscaled import Autoscaled

if TYPE_CHECKING:
    from greensched.model import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A baseline by name: what it stands for in words, and the policies that run in it."""

    kind: str
    text: str
    policies: tuple[Policy, ...] = ()


AUTOSCALED = Baseline(
    kind="autoscaled",
    text="the HPA rule for services, a node autoscaler that removes machines empty for "
    "10 minutes and adds them when replicas or jobs find no room, batch on submit",
    policies=(Autoscaled(),),
)
STATIC_PEAK = Baseline(
    kind="static-peak",
    text="services at recorded replicas or, where only load is given, at peak x (1 + headroom); "
    "batch in the smallest remainder of machines that meets its objectives; all always on",
)
AS_RECORDED = Baseline(
    kind="as-recorded", text="the machines that the trace tells were on, always on"
)
