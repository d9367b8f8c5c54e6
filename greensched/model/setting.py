"""One run: a world, its demand and the switches that are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from greensched.model.interference import NO_INTERFERENCE, Interference

if TYPE_CHECKING:
    from greensched.model.codes import Int8Array, IntArray
    from greensched.model.decision import CarbonForecaster, Forecaster, Policy
    from greensched.model.entities import Databases, Jobs, MachineType, Services, Site
    from greensched.model.outages import Outages

Discipline: TypeAlias = Literal["fifo", "priority", "shortest-first", "easy-backfill"]
Weigher: TypeAlias = Literal["best-fit", "first-fit", "worst-fit", "spread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One run: a world, its demand and the switches that are on.

    `online_machines`/`batch_machines` (machine numbers in fleet order) are the machines that are
    on at the start; all others are `surplus` unless `surplus` is empty. `edges_ms` are the
    breakpoints of intensity and PUE within the window, at most five minutes apart.
    """

    name: str
    sites: tuple[Site, ...]
    fleet: tuple[MachineType, ...]
    services: Services | None
    jobs: Jobs | None
    window_ms: int
    edges_ms: IntArray
    policies: tuple[Policy, ...] = ()
    replicas: IntArray | None = None  # at the start, one a service; None: recorded, else needed
    roles: Int8Array | None = None  # per machine, overriding its type's; NONE: surplus
    discipline: Discipline = "easy-backfill"
    weigher: Weigher = "best-fit"
    end: Literal["drain", "cut"] = "drain"
    start_offset_ms: int = 0  # local time of day at the start
    seed: int = 0
    forecast: Forecaster | None = None  # of the services, for policies that use one
    databases: Databases | None = None
    past_databases: Databases | None = None  # the same ones before the window, as far as known
    places: IntArray | None = None  # machine of each database's replicas at the start; NONE: none
    interference: Interference = NO_INTERFERENCE
    outages: Outages | None = None  # of all machines, known to nobody before they happen
    carbon: CarbonForecaster | None = None  # for policies that shift jobs
