"""What a scenario says of batch slowing services, and of services' measured latency."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from greensched.model import NO_INTERFERENCE, Interference
from greensched.scenario.types import Duration, Name, Share, Spec, problem

Strength: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Point: TypeAlias = Annotated[tuple[Strength, ...], Field(min_length=2, max_length=2)]


def _rising(points: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    """Return points of a curve from (0, 0) on, whose first numbers rise and second do not fall."""
    if points[0] != (0.0, 0.0):
        raise problem("the first point is not [0, 0]", "no pressure slows nobody")
    if any(b[0] <= a[0] or b[1] < a[1] for a, b in pairwise(points)):
        raise problem("pressures have to rise and slow-downs may not fall, from point to point")
    return points


class InterferenceSpec(Spec):
    """How batch slows services on one machine, and they it: sensitivity x curve(pressure).

    Pressure is the CPU that batch uses over the machine's; a slow-down of 0.3 makes requests take
    30 % longer. 'none' slows nobody, and still tells from which slope on objectives would break.
    """

    model: Literal["none", "linear", "bubble"] = Field(
        default="none", description="linear: slope x pressure; bubble: sensitivity x curve"
    )
    slope: Strength | None = Field(
        default=None, description="of linear: slow-down beside batch that uses a whole machine"
    )
    curve: Annotated[tuple[Point, ...], Field(min_length=2), AfterValidator(_rising)] | None = (
        Field(default=None, description="of bubble: [pressure, slow-down], from [0, 0] on")
    )
    sensitivity: dict[str, Strength] = Field(
        default_factory=dict, description="of bubble, by service; others: 1"
    )
    pressure: dict[str, Strength] = Field(
        default_factory=dict, description="of bubble, by job class, of the CPU it uses; others: 1"
    )
    batch_sensitivity: Strength = Field(
        default=1.0, description="of jobs to the services' use; 0: they are not slowed"
    )

    @model_validator(mode="after")
    def _one_model(self) -> InterferenceSpec:
        """Require what the model needs, and nothing that it does not read."""
        of = {"slope": "linear", "curve": "bubble", "sensitivity": "bubble", "pressure": "bubble"}
        for name, model in of.items():
            if model != self.model and name in self.model_fields_set:
                raise problem(f"'{name}' is of model '{model}'", f"set 'model: {model}'")
        if self.model == "linear" and self.slope is None:
            raise problem("model 'linear' has no 'slope'", "for example 'slope: 0.3'")
        if self.model == "bubble" and self.curve is None:
            remedy = "for example 'curve: [[0, 0], [0.5, 0.1], [1, 0.4]]'"
            raise problem("model 'bubble' has no 'curve'", remedy)
        return self

    @property
    def value(self) -> Interference:
        """Return it as the engine takes it."""
        if self.model == "none":
            return NO_INTERFERENCE
        line = ((0.0, 0.0), (1.0, self.slope or 0.0))
        return Interference(
            model=self.model,
            curve=tuple((x, y) for x, y in self.curve or line),
            sensitivity=tuple(sorted(self.sensitivity.items())),
            pressure=tuple(sorted(self.pressure.items())),
            batch_sensitivity=self.batch_sensitivity,
        )


class LatencyPoint(Spec):
    """One measurement of a service alone on its machines."""

    utilisation: Annotated[Share, Field(description="of its replicas' CPU")]
    p99: Annotated[Duration, Field(gt=0, description="99th percentile of the response")]


def _measured(points: tuple[LatencyPoint, ...]) -> tuple[LatencyPoint, ...]:
    """Return measurements whose utilisation rises and whose response does not fall."""
    if any(b.utilisation <= a.utilisation or b.p99 < a.p99 for a, b in pairwise(points)):
        raise problem("utilisation has to rise and p99 may not fall, from point to point")
    return points


class LatencySpec(Spec):
    """Measured latency against utilisation, in place of M/M/c; straight lines in between.

    Below the first point its response holds; above the last one the service counts as overloaded,
    as nothing is known there.
    """

    services: tuple[Name, ...] | None = Field(
        default=None, description="default: all that no other entry names"
    )
    points: Annotated[tuple[LatencyPoint, ...], Field(min_length=2), AfterValidator(_measured)]
