"""What an inverse may ask: `kind: Inverse`, a reported saving and what is assumed to invert it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from greensched.accounting.books import Band, Reported
from greensched.errors import DataError, ScenarioError
from greensched.scenario.check import findings_of
from greensched.scenario.quantity import INTENSITY, Kind, QuantityError, convert
from greensched.scenario.source import read_file
from greensched.scenario.types import Count, Name, Power, Share, Spec, problem, quantity_schema
from greensched.scenario.words import frozen, translated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MASS = Kind(name="mass", unit="t", example="29591 t")


def _of(kind: Kind) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        try:
            return convert(value, kind)
        except QuantityError as error:
            raise problem(error.what, error.remedy) from None

    return check


Tonnes: TypeAlias = Annotated[
    float, BeforeValidator(_of(MASS)), WithJsonSchema(quantity_schema(MASS))
]
Grams: TypeAlias = Annotated[  # [g/kWh]
    float, BeforeValidator(_of(INTENSITY)), WithJsonSchema(quantity_schema(INTENSITY))
]
Pue: TypeAlias = Annotated[float, Field(ge=1.0, le=3.0)]


class ReportedSpec(Spec):
    """The saving, and who says so."""

    saved: Tonnes
    year: Annotated[int, Field(ge=1990, le=2100)]
    source: Name


class Rise(Spec):
    """Mean utilisation of the machines' CPU, as shares."""

    before: Share
    after: Share


class MachineSpec(Spec):
    """One machine's power, [low, middle, high]."""

    idle: tuple[Power, Power, Power]
    peak: tuple[Power, Power, Power]


class Quoted(Spec):
    """Published figures that are shown as they stand, and tried for a sum."""

    total: Tonnes
    parts: tuple[Tonnes, ...] = Field(min_length=1)


class InverseSpec(Spec):
    """An inverse, as its file says."""

    api: Literal["greensched/v1"] = Field(alias="apiVersion")
    kind: Literal["Inverse"]
    name: Name
    reported: ReportedSpec
    utilisation: Rise
    machine: MachineSpec
    pue: tuple[Pue, Pue, Pue]
    intensity: tuple[Grams, Grams, Grams]
    fleets: tuple[Count, ...] = ()
    quoted: Quoted | None = None

    @model_validator(mode="after")
    def _can_be(self) -> InverseSpec:
        """Refuse what cannot be inverted."""
        try:
            self.reported_saving()
        except DataError as error:
            first = error.findings[0]
            raise problem(f"{first.where}: {first.what}", first.remedy) from None
        return self

    def reported_saving(self) -> Reported:
        """Return the saving with its ranges."""
        return Reported(
            saved_t=self.reported.saved,
            utilisation_before_share=self.utilisation.before,
            utilisation_after_share=self.utilisation.after,
            idle_w=_band(self.machine.idle),
            peak_w=_band(self.machine.peak),
            pue=_band(self.pue),
            intensity_g_per_kwh=_band(self.intensity),
        )


def _band(values: tuple[float, float, float]) -> Band:
    low, mid, high = values
    return Band(low=low, mid=mid, high=high)


def load_inverse(path: Path) -> InverseSpec:
    """Return the inverse in a file; raises ScenarioError with every finding of it."""
    source, _ = read_file(path)
    tree: Any = frozen(source.tree)
    try:
        return InverseSpec.model_validate(tree)
    except ValidationError as error:
        raise ScenarioError(*findings_of(source, translated(error, InverseSpec, tree))) from None
