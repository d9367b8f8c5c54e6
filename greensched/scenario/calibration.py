"""What a scenario says of its calibration, and overlays: values set over a scenario's own.

A calibration holds for the watts and PUE that it was made of. Their fingerprint is kept with it,
so that a scenario whose watts were changed afterwards is uncalibrated again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Literal

import rfc8785
from pydantic import Field, ValidationError

from greensched.errors import Finding, ScenarioError
from greensched.scenario.fleetspec import PointPower, TypedMachine
from greensched.scenario.source import read_file
from greensched.scenario.types import Name, Spec
from greensched.scenario.words import frozen, translated

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.scenario.fleetspec import CorePower, FleetEntry, MachinePower
    from greensched.scenario.spec import ScenarioSpec

UNCALIBRATED: Final = "uncalibrated"


class OverlaySpec(Spec):
    """An overlay file: values by path, as `--set` takes them; a value may be a whole part."""

    api_version: Literal["greensched/v1"] = Field(alias="apiVersion")
    kind: Literal["Overlay"]
    of: Name = Field(description="name of the scenario that it was made for")
    set: dict[str, Any]


def read_overlay(path: Path) -> dict[str, Any]:
    """Return the values of an overlay by their paths; raises ScenarioError with all wrong."""
    source, _ = read_file(path, "greensched calibrate writes one")
    tree = frozen(source.tree)
    try:
        OverlaySpec.model_validate(tree)
    except ValidationError as error:
        raise ScenarioError(
            *(
                Finding(where=source.where(p.path), what=p.what, remedy=p.remedy)
                for p in translated(error, OverlaySpec, tree)
            )
        ) from None
    values: dict[str, Any] = source.tree["set"]
    return values


def power_of(entry: FleetEntry) -> MachinePower | CorePower:
    """Return the power of a fleet's entry: what it gives, else that of its published type."""
    if entry.power is not None:
        return entry.power
    assert isinstance(entry, TypedMachine)
    return PointPower(watts=entry.known.watts)


def fingerprint(spec: ScenarioSpec) -> str:
    """Return the SHA-256 of the watts of all machines and the PUE of all sites."""
    fleet = [
        [getattr(entry, "name", ""), power_of(entry).model_dump(mode="json")]
        for entry in spec.fleet
    ]
    sites = [[site.name, site.model_dump(mode="json")["pue"]] for site in spec.sites]
    return hashlib.sha256(rfc8785.dumps([fleet, sites])).hexdigest()


def stamp_of(spec: ScenarioSpec) -> str:
    """Return the calibration's part of a result's stamp: `calibrated, MAPE 4.2 %`."""
    made = spec.calibration
    if made is None or made.values_sha256 != fingerprint(spec):
        return UNCALIBRATED
    return f"calibrated, MAPE {100 * made.mape:.1f} %"


def finding_of(spec: ScenarioSpec) -> tuple[str, ...]:
    """Say that a calibration does not hold for this scenario; empty where it does or none is."""
    if spec.calibration is None or stamp_of(spec) != UNCALIBRATED:
        return ()
    return ("uncalibrated: watts or PUE are not those that the scenario's calibration is of",)
