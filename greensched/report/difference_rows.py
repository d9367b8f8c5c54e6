"""The rows of the difference table: what each shows, in their order, and one with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from greensched.report.words import DASH, number

Measure: TypeAlias = Literal["count", "plain", "percent", "kwh", "kg", "s"]
Group: TypeAlias = Literal["fleet", "services", "batch", "databases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one row shows: the key in an outcome, the label, how its numbers are shown.

    `{unit}` in the label is replaced by the unit that fits. `objective` is the key whose `_limit`
    and `_ok` judge the scenario.
    """

    group: Group
    key: str
    label: str
    measure: Measure
    objective: str = ""
    optional: bool = False  # left out where no column has a value
    needs: str = ""  # left out where no column has a value of this key
    least: str = ""  # the keys of its range, where it has one
    most: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row with its numbers: as they are (`raw`), and as they are shown (`cells`).

    `unit` is that of cells and delta, which have `digits` decimals; it is empty for counts.
    """

    group: Group
    key: str
    label: str
    raw: tuple[float | None, ...]
    cells: tuple[str, ...]
    delta: str
    percent: str
    unit: str = ""
    divisor: float = 1.0
    digits: int = 0
    bound: str = ""  # what no policy could beat
    span: str = ""  # between what the scenario's value lies
    verdict: str = ""
    limit: float | None = None  # as `raw`; None: no objective is stated
    ok: bool | None = None  # None: not judged

    def shown(self, value: float | None) -> str:
        """Return a value of this row's key as its cells show theirs, with its unit."""
        text = DASH if value is None else number(value / self.divisor, self.digits)
        return f"{text} {self.unit}".rstrip()


ENERGY, SCOPE2, MACHINES = "energy_facility_kwh", "scope2_location_kg", "machines_on_mean"
ROWS: Final = (
    Row(group="fleet", key="machines_on_mean", label="machines on, mean", measure="plain"),
    Row(group="fleet", key="machines_on_peak", label="machines on, peak", measure="count"),
    Row(
        group="fleet",
        key="outages.machines_peak",
        label="machines out at once, peak",
        measure="count",
        optional=True,
    ),
    Row(
        group="fleet",
        key="outages.machines_spare",
        label="of those on, spare for that",
        measure="count",
        optional=True,
    ),
    Row(
        group="fleet",
        key="energy_facility_kwh",
        label="energy, {unit} (facility)",
        measure="kwh",
    ),
    Row(group="fleet", key="energy_it_kwh", label="energy, {unit} (IT)", measure="kwh"),
    Row(
        group="fleet",
        key="scope2_location_kg",
        label="{unit}CO2e, scope 2, location",
        measure="kg",
    ),
    Row(
        group="fleet",
        key="embodied_kg",
        label="{unit}CO2e, embodied share",
        measure="kg",
        least="embodied_low_kg",
        most="embodied_high_kg",
    ),
    Row(group="fleet", key="cost", label="cost, {unit}", measure="plain", optional=True),
    Row(group="fleet", key="power_cycles", label="power cycles", measure="count"),
    Row(group="fleet", key="moves", label="replicas moved live", measure="count"),
    Row(
        group="services",
        key="service.latency_factor_p99",
        label="p99 latency (modelled)",
        measure="plain",
        objective="service.latency_factor_p99",
    ),
    Row(
        group="services",
        key="service.shortage_share",
        label="work short of CPU, %",
        measure="percent",
        objective="service.shortage_share",
    ),
    Row(
        group="services",
        key="service.violation_min",
        label="violation, service-min",
        measure="plain",
    ),
    Row(
        group="services",
        key="outages.replicas_lost",
        label="replicas lost to outages",
        measure="count",
        optional=True,
    ),
    Row(
        group="batch",
        key="batch.deadline_miss_share",
        label="missed deadlines, %",
        measure="percent",
        objective="batch.deadline_miss",
    ),
    Row(group="batch", key="batch.wait_mean_s", label="wait for room, mean, {unit}", measure="s"),
    Row(
        group="batch",
        key="batch.wait_p95_s",
        label="wait for room, p95, {unit}",
        measure="s",
        objective="batch.wait_p95",
    ),
    Row(
        group="batch",
        key="batch.start_p95_s",
        label="time to start, p95, {unit}",
        measure="s",
        needs="batch.held",  # else it is the wait for room
    ),
    Row(
        group="batch",
        key="batch.held",
        label="held by choice, jobs",
        measure="count",
        optional=True,
    ),
    Row(
        group="batch",
        key="batch.held_mean_s",
        label="held jobs: held, mean, {unit}",
        measure="s",
        optional=True,
    ),
    Row(
        group="batch",
        key="batch.held_p95_s",
        label="held jobs: held, p95, {unit}",
        measure="s",
        optional=True,
    ),
    Row(group="batch", key="batch.pauses", label="pauses", measure="count", optional=True),
    Row(group="batch", key="batch.unfinished", label="jobs unfinished", measure="count"),
    Row(
        group="batch",
        key="batch.backlog_scope2_kg",
        label="left undone, kgCO2e",
        measure="plain",
        optional=True,
    ),
    Row(group="batch", key="batch.evictions", label="evictions", measure="count"),
    Row(group="batch", key="batch.wasted_core_h", label="work lost, core-h", measure="plain"),
    Row(
        group="batch",
        key="outages.lost_core_h",
        label="of it to outages, core-h",
        measure="plain",
        optional=True,
    ),
    Row(
        group="databases",
        key="databases.machines_on_mean",
        label="machines on, mean",
        measure="plain",
    ),
    Row(
        group="databases",
        key="databases.shortage_share",
        label="work short of CPU, %",
        measure="percent",
        objective="databases.shortage_share",
    ),
    Row(
        group="databases",
        key="databases.violation_min",
        label="violation, replica-min",
        measure="plain",
    ),
    Row(
        group="databases",
        key="outages.database_replica_min",
        label="out of service, replica-min",
        measure="plain",
        optional=True,
    ),
)
