"""What a company file may say: `kind: Company`, the terms of its yearly books.

Files that it names lie in its folder. Quantities carry units; factors are named by id.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from greensched.scenario.quantity import Kind, QuantityError, convert
from greensched.scenario.types import Name, Power, Share, Spec, problem, quantity_schema

API: Literal["greensched/v1"] = "greensched/v1"
ENERGY = Kind(name="amount of energy", unit="kWh", example="12 GWh")
MWH_MILLI_PER_KWH = 1_000_000


def _energy(value: Any) -> Any:
    """Return an amount of energy in whole milliwatt-hours."""
    try:
        amount = convert(value, ENERGY)
    except QuantityError as error:
        raise problem(error.what, error.remedy) from None
    if amount < 0:
        raise problem(f"'{value}' is below zero")
    return round(amount * MWH_MILLI_PER_KWH)


def _zone(value: str) -> str:
    """Return the name of a time zone, or refuse one that is not known."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = "an IANA name such as Asia/Shanghai"
        raise problem(f"unknown time zone '{value}'", remedy) from None
    return value


EnergyAmount: TypeAlias = Annotated[  # [mWh]
    int, BeforeValidator(_energy), WithJsonSchema(quantity_schema(ENERGY))
]
CalendarYear: TypeAlias = Annotated[int, Field(ge=1990, le=2100)]


class BaseYear(Spec):
    """What targets are against, and when it is reckoned anew."""

    year: CalendarYear
    recalculated: Name = Field(description="when and how the base year is reckoned anew")


class OnSiteSpec(Spec):
    """Files by the hour [kWh] of what a site makes and stores."""

    since: CalendarYear = Field(alias="from", description="the first year that the files have")
    pv: Name | None = None
    genset: Name | None = None
    discharge: Name | None = None
    charge: Name | None = None


class Alternative(Spec):
    """A way to cool a site: its file has PUE by outdoor temperature and load."""

    name: Name
    file: Name


class CoolingSpec(Spec):
    """Ways to cool a site, compared over its climate."""

    since: CalendarYear | None = Field(
        default=None,
        alias="from",
        description="the first year that `climate` has; none: every year",
    )
    climate: Name = Field(description="file by the hour with outdoor temperatures, temperature_c")
    capacity: Power = Field(description="IT power that the site can carry")
    alternatives: tuple[Alternative, ...] = Field(min_length=1)

    def is_of(self, year: int) -> bool:
        """Say whether they are compared in a year."""
        return self.since is None or self.since <= year


class CompanySite(Spec):
    """A site: who controls it, its market, its factors."""

    name: Name
    market: Name = Field(description="in which contracts are tracked, such as CN or EU")
    control: Literal["operational", "leased_cat8", "cloud_cat1"] = "operational"
    grid_factor: Name | None = Field(
        default=None, description="location-based; default: as the ledger's entries were priced"
    )
    residual_factor: Name | None = Field(
        default=None, description="of what no contract covers; default: the location factor"
    )
    upstream_factor: Name | None = None
    losses_factor: Name | None = None
    grid_cfe: Share = Field(default=0.0, description="carbon-free share of the grid")
    on_site: OnSiteSpec | None = None
    cooling: CoolingSpec | None = None
    pue_target: Annotated[float, Field(ge=1.0, le=3.0)] | None = None
    renewable_target: Share | None = None


class ContractSpec(Spec):
    """Electricity bought with its attributes; without `retirement` it is listed, not counted."""

    name: Name
    market: Name
    year: CalendarYear
    factor: Name
    amount: EnergyAmount
    retirement: Name | None = Field(default=None, description="id of the cancellation")
    renewable: bool = True
    delivered: Name | None = Field(default=None, description="file by the hour [kWh]")


class TargetSpec(Spec):
    """What is to be reached when; `level` is the reduction, the residual or the share."""

    name: Name
    quantity: Literal["scopes12", "scopes123", "renewable_share"]
    method: Literal["absolute", "net_zero", "share"]
    scope2: Literal["location", "market"] = "market"
    year: CalendarYear
    level: Share


class Benchmark(Spec):
    """The PUE that sites are compared with, and who says so."""

    pue: Annotated[float, Field(ge=1.0, le=3.0)]
    source: Name


class CompanySpec(Spec):
    """A company, as its file says."""

    api: Literal["greensched/v1"] = Field(alias="apiVersion")
    kind: Literal["Company"]
    name: Name
    time_zone: Annotated[Name, AfterValidator(_zone)] = Field(description="of its calendar year")
    boundary: Name = Field(description="consolidation approach, such as operational control")
    gwp: Literal["AR4", "AR5", "AR6"]
    matching: Literal["annual", "hourly"]
    base_year: BaseYear
    benchmark: Benchmark | None = None
    factors: tuple[Name, ...] = Field(default=(), description="own factor files; override by id")
    activities: tuple[Name, ...] = ()
    offsets: Name | None = None
    avoided: Name | None = None
    sites: tuple[CompanySite, ...] = Field(min_length=1)
    contracts: tuple[ContractSpec, ...] = ()
    targets: tuple[TargetSpec, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> CompanySpec:
        """Refuse two sites, contracts of a year, retirements or targets of one name."""
        for what, names in (
            ("site", [site.name for site in self.sites]),
            ("contract", [f"{c.name} {c.year}" for c in self.contracts]),
            ("target", [target.name for target in self.targets]),
        ):
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise problem(f"{what} '{twice[0]}' is given twice")
        retired = [c.retirement for c in self.contracts if c.retirement]
        twice = [one for one in retired if retired.count(one) > 1]
        if twice:
            raise problem(f"retirement '{twice[0]}' is of two contracts: one can count alone")
        for target in self.targets:
            if target.year <= self.base_year.year:
                raise problem(f"target '{target.name}' is not after the base year")
            if (target.method == "share") != (target.quantity == "renewable_share"):
                what = f"method '{target.method}' of target '{target.name}' does not fit"
                raise problem(what, "'share' is of renewable_share, the others of emissions")
        return self
