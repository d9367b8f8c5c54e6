"""The prices of a scenario: of electricity, constant or by the hour, and of machines by type."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from greensched.scenario.types import EnergyPrice, HourPrice, Name, Spec, problem


class PriceFile(Spec):
    """Prices over time: a time column (`time_utc`, `time`) and `price`, in equal steps."""

    source: Name = Field(description="'data:PATH' or a path")
    unit: Literal[
        "EUR/kWh",
        "EUR/MWh",
        "USD/kWh",
        "USD/MWh",
        "GBP/kWh",
        "GBP/MWh",
        "CNY/kWh",
        "CNY/MWh",
    ]
    time_zone: Name | None = Field(
        default=None, description="of times without an offset: IANA name, 'UTC' or '+08:00'"
    )

    @property
    def currency(self) -> str:
        """Return the currency."""
        return self.unit.partition("/")[0]

    @property
    def kwh(self) -> float:
        """Return how many kWh a price is of."""
        return 1_000.0 if self.unit.endswith("MWh") else 1.0


class BillFile(Spec):
    """What machines cost by a FOCUS billing file: cost over hours of each type."""

    focus: Name = Field(description="'data:PATH' or a path")


def _is_mapping(name: str) -> Discriminator:
    """Return a discriminator between a mapping or part and text."""
    return Discriminator(lambda v: name if isinstance(v, (dict, Spec)) else "<text>")


def _hour(value: Any) -> str:
    """Return which form prices of machines have."""
    if isinstance(value, BillFile) or (isinstance(value, dict) and "focus" in value):
        return "<bill>"
    return "<types>" if isinstance(value, dict) else "<text>"


EnergyPrices: TypeAlias = Annotated[
    Annotated[EnergyPrice, Tag("<text>")] | Annotated[PriceFile, Tag("<file>")],
    _is_mapping("<file>"),
]
MachinePrices: TypeAlias = Annotated[
    Annotated[HourPrice, Tag("<text>")]
    | Annotated[dict[str, HourPrice], Tag("<types>")]
    | Annotated[BillFile, Tag("<bill>")],
    Discriminator(_hour),
]


class Prices(Spec):
    """Optional prices, all in one currency."""

    energy: EnergyPrices | None = None
    machine_hour: MachinePrices | None = Field(
        default=None, description="of every machine, by machine type, or {focus: FILE}"
    )

    @property
    def currencies(self) -> set[str]:
        """Return the currencies that are written here; a bill states its own."""
        found = set()
        if isinstance(self.energy, PriceFile):
            found.add(self.energy.currency)
        elif self.energy is not None:
            found.add(self.energy[1])
        if isinstance(self.machine_hour, dict):
            found |= {price[1] for price in self.machine_hour.values()}
        elif isinstance(self.machine_hour, tuple):
            found.add(self.machine_hour[1])
        return found

    @model_validator(mode="after")
    def _one_currency(self) -> Prices:
        """Refuse two currencies."""
        if len(self.currencies) > 1:
            raise problem(f"two currencies, {' and '.join(sorted(self.currencies))}")
        return self
