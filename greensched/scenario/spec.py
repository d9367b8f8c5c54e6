"""What a scenario file may say: the parts of a `Scenario`, each frozen and checked.

Quantities are converted here; every field's name inside is the name in the file, its unit that of
`greensched.scenario.types`. What needs the registry (policies, options of readers) is checked in
`greensched.scenario.check`.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 pydantic reads the annotation
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from greensched.accounting.factors import PUE_LIMIT
from greensched.carbon import INTENSITY_LIMIT_G_PER_KWH
from greensched.errors import UsageError
from greensched.forecast.calendar import Calendar
from greensched.scenario.calibrationspec import CalibrationSpec  # noqa: TC001 pydantic reads it
from greensched.scenario.classifyspec import ClassifySpec  # noqa: TC001 pydantic reads it
from greensched.scenario.fleetspec import FleetEntry  # noqa: TC001 pydantic reads it
from greensched.scenario.interference import InterferenceSpec, LatencySpec
from greensched.scenario.outagespec import FailuresSpec, MaintenanceSpec  # noqa: TC001
from greensched.scenario.pricespec import Prices  # noqa: TC001 pydantic reads it
from greensched.scenario.quantity import INTENSITY, QuantityError, convert
from greensched.scenario.types import (
    Duration,
    Instant,
    Name,
    Power,
    Share,
    Spec,
    problem,
)
from greensched.units import MS_PER_DAY, MS_PER_H


class Window(Spec):
    """The span that is simulated and scored."""

    start: Instant = Field(description="with its UTC offset; local time counts from here")
    days: Annotated[float, Field(gt=0, le=3660)] | None = None
    hours: Annotated[float, Field(gt=0, le=87_840)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Window:
        """Require either days or hours."""
        if (self.days is None) == (self.hours is None):
            raise problem("a window has either 'days' or 'hours'", "for example 'days: 7'")
        return self

    @property
    def length_ms(self) -> int:
        """Return the length [ms]."""
        if self.days is not None:
            return round(self.days * MS_PER_DAY)
        return round((self.hours or 0.0) * MS_PER_H)

    @property
    def offset_ms(self) -> int:
        """Return local time less UTC at the start [ms]."""
        offset = self.start.utcoffset()
        return round(offset.total_seconds() * 1000) if offset else 0


def _pue(value: float) -> float:
    """Return a PUE that can be."""
    if value < 1.0:
        raise problem(f"{value:g} is below 1.0", "PUE is facility energy / IT energy")
    if value > PUE_LIMIT:
        raise problem(f"{value:g} is above {PUE_LIMIT:g}", "PUE is facility energy / IT energy")
    return value


PueFactor: TypeAlias = Annotated[float, AfterValidator(_pue)]


class AffinePue(Spec):
    """Facility power = fixed + slope x IT power."""

    fixed: Power
    slope: PueFactor = 1.0


def _tagged(mapping: str, scalar: str) -> Discriminator:
    """Return a discriminator between a mapping and anything else."""
    return Discriminator(lambda v: mapping if isinstance(v, (dict, Spec)) else scalar)


Pue: TypeAlias = Annotated[
    Annotated[PueFactor, Tag("<number>")] | Annotated[AffinePue, Tag("<affine>")],
    _tagged("<affine>", "<number>"),
]


class IntensityFile(Spec):
    """Carbon intensity from a file or a bundled series."""

    source: Name = Field(description="'bundled:NAME', 'data:PATH' or a path")
    zone: Name | None = Field(default=None, description="default: the site's zone")
    time_zone: Name | None = Field(
        default=None, description="of times without an offset: IANA name, 'UTC' or '+08:00'"
    )
    fill: Literal["hold", "interpolate"] | None = Field(
        default=None, description="how gaps are filled; by default a gap is an error"
    )
    fill_longest: Duration = 6 * MS_PER_H
    basis: Literal["direct", "lifecycle", "unstated"] = Field(
        default="unstated", description="combustion only, or the plants' whole life"
    )


def _intensity(value: Any) -> Any:
    """Return a source's name, or a constant intensity [g/kWh] of text such as `500 g/kWh`."""
    if not isinstance(value, str) or value.strip()[:1].isdigit() or "g/kWh" in value:
        try:
            constant = convert(value, INTENSITY)
        except QuantityError as error:
            raise problem(error.what, error.remedy) from None
        if not 0.0 < constant <= INTENSITY_LIMIT_G_PER_KWH:
            what = f"'{value}' is not above 0 and at most {INTENSITY_LIMIT_G_PER_KWH:,.0f} g/kWh"
            raise problem(what, "grids have 5 to 1,500 g/kWh: is the unit right?")
    return value


IntensityText: TypeAlias = Annotated[Name, BeforeValidator(_intensity)]
Intensity: TypeAlias = Annotated[
    Annotated[IntensityText, Tag("<text>")] | Annotated[IntensityFile, Tag("<file>")],
    _tagged("<file>", "<text>"),
]


class SiteSpec(Spec):
    """A place with one grid zone."""

    name: Name
    zone: Name = Field(description="carbon zone; there is no default")
    pue: Pue = Field(description="facility energy / IT energy, or {fixed, slope}")
    intensity: Intensity = Field(
        description="'bundled:NAME', 'data:PATH', a path, '500 g/kWh', or {source, ...}"
    )


class Tide(Spec):
    """A load shape, as a share of capacity over time; read by the `series` reader."""

    model_config = ConfigDict(extra="allow")  # options of the reader
    file: Name


class Population(Spec):
    """Services made of a population of pods that is no timeline: all live through the window.

    Pods are grouped into services by identical request; use = request x `tide`, or x `use`.
    """

    tide: Tide | None = None
    use: Share = Field(default=1.0, description="of the request, where no tide is given")


class Draw(Spec):
    """Batch drawn from a population: sizes and durations of those that ran, Poisson arrivals."""

    of: Name = Field(description="class of pods drawn from")
    share: Annotated[float, Field(gt=0, le=100)] = Field(
        description="mean CPU demand as a share of what all pods of the class request"
    )
    arrivals: Literal["poisson"] = "poisson"


class TraceSpec(Spec):
    """A trace's files and how they are read; other keys are options of the reader."""

    model_config = ConfigDict(extra="allow")
    file: Name | None = Field(default=None, description="'bundled:NAME', 'data:PATH' or a path")
    files: tuple[Name, ...] | None = None
    reader: Name | None = None
    since: Name | None = Field(
        default=None,
        alias="from",
        description="instant of the trace at the window's start: a date with offset, or '28 d'",
    )
    only: tuple[Name, ...] | None = Field(
        default=None, description="names of the services kept; default: all"
    )
    repeat_noise: Share = Field(
        default=0.05, description="of load, where a series shorter than the window is repeated"
    )
    population: Population | None = None
    draw: Draw | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the reader, as written."""
        return dict(self.model_extra or {})

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the files, as written."""
        return self.files or ((self.file,) if self.file else ())


TraceSource: TypeAlias = Annotated[
    Annotated[Name, Tag("<text>")] | Annotated[TraceSpec, Tag("<file>")],
    _tagged("<file>", "<text>"),
]


class PoolSpec(Spec):
    """How many machines of a type serve, and how many compute; the others are surplus."""

    serve: Annotated[int, Field(ge=0)] = 0
    compute: Annotated[int, Field(ge=0)] = 0


class Traces(Spec):
    """The demand: any of services, jobs and databases."""

    services: TraceSource | None = None
    jobs: TraceSource | None = None
    databases: TraceSource | None = Field(
        default=None, description="they run on machines of 'role: database' and nowhere else"
    )

    @model_validator(mode="after")
    def _some(self) -> Traces:
        """Require one of them."""
        if self.services is None and self.jobs is None and self.databases is None:
            raise problem("no demand", "give any of 'services', 'jobs' and 'databases'")
        return self


class History(Spec):
    """What policies may have seen before the window."""

    days: Annotated[float, Field(ge=0, le=3660)] = 28.0


class CalendarSpec(Spec):
    """The clock and the holidays by which demand repeats, for forecasts of load and intensity."""

    time_zone: Name | None = Field(
        default=None,
        description="IANA name such as Europe/Berlin, whose clock changes; default: the offset of "
        "window.start, the whole year",
    )
    country: str = Field(
        default="",
        description="ISO 3166 code, whose holidays are no working days; none by default",
    )
    subdivision: str = Field(default="", description="a part of it with holidays of its own")

    @model_validator(mode="after")
    def _known(self) -> CalendarSpec:
        """Refuse zones and countries that nobody knows."""
        if self.subdivision and not self.country:
            raise problem("a subdivision of no country", "give 'country' too")
        try:
            Calendar(
                time_zone=self.time_zone or "UTC",
                country=self.country,
                subdivision=self.subdivision,
            )
        except UsageError as error:
            raise problem(error.findings[0].what, error.findings[0].remedy) from None
        return self


class Slo(Spec):
    """The objectives that a run is held to; those not given are not judged."""

    latency_factor_p99: Annotated[float, Field(ge=1.0)] | None = None
    shortage_share: Share | None = None
    deadline_miss: Share | None = None
    batch_wait_p95: Duration | None = None


class BaselineSpec(Spec):
    """What the scenario is compared with."""

    kind: Literal["autoscaled", "static-peak", "as-recorded"] = "autoscaled"
    headroom: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.3, description="of static-peak, where only load is given"
    )
    targets: dict[Name, Annotated[float, Field(gt=0, le=1)]] | None = Field(
        default=None,
        description="of autoscaled: mean use of the request that each service's autoscaler aims "
        "at; services not named keep their replicas. Default: all follow the rule",
    )
    machines_min: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="of autoscaled: machines for services that it never removes"
    )
    empty: Duration | None = Field(
        default=None, description="of autoscaled: machines empty for so long are removed"
    )

    @model_validator(mode="after")
    def _of_autoscaled(self) -> BaselineSpec:
        """Refuse settings of autoscaled for another baseline."""
        given = [n for n in ("targets", "machines_min", "empty") if n in self.model_fields_set]
        if given and self.kind != "autoscaled":
            raise problem(f"'{given[0]}' is a setting of 'autoscaled', not of '{self.kind}'")
        return self


class Queue(Spec):
    """How waiting jobs are ordered and placed."""

    discipline: Literal["fifo", "priority", "shortest-first", "easy-backfill"] = "easy-backfill"
    weigher: Literal["best-fit", "first-fit", "worst-fit", "spread"] = "best-fit"


class PolicySpec(Spec):
    """One switch; other keys are the policy's settings."""

    model_config = ConfigDict(extra="allow")
    kind: Name
    enabled: bool = True

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings, as written."""
        return dict(self.model_extra or {})


class ScenarioSpec(Spec):
    """A scenario file."""

    api_version: Literal["greensched/v1"] = Field(alias="apiVersion")
    kind: Literal["Scenario"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    window: Window
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    sites: Annotated[tuple[SiteSpec, ...], Field(min_length=1)]
    fleet: Annotated[tuple[FleetEntry, ...], Field(min_length=1)]
    pools: dict[Name, PoolSpec] | None = Field(
        default=None,
        description="of each machine type, how many serve and how many compute under the "
        "scenario's switches, as `size` tells them; the baseline keeps its own; default: those "
        "that static-peak takes",
    )
    traces: Traces
    classify: ClassifySpec | None = None
    history: History = History()
    calendar: CalendarSpec | None = None
    slo: Slo = Slo()
    baseline: BaselineSpec = BaselineSpec()
    queue: Queue = Queue()
    interference: InterferenceSpec = InterferenceSpec()
    latency: tuple[LatencySpec, ...] = ()
    end: Literal["drain", "cut"] = "drain"
    prices: Prices | None = None
    failures: FailuresSpec | None = None
    maintenance: tuple[MaintenanceSpec, ...] = ()
    policies: tuple[PolicySpec, ...] = ()
    calibration: CalibrationSpec | None = None

    @property
    def start(self) -> datetime:
        """Return the window's start, with its offset."""
        return self.window.start
