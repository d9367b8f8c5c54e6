"""What a scenario says of its calibration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from greensched.scenario.types import Name, Spec


class CalibrationSpec(Spec):
    """How far the model was off meters on days held out; written by `greensched calibrate`."""

    mape: Annotated[float, Field(ge=0)] = Field(description="mean absolute error, as a share")
    bias: float = Field(description="simulated over measured energy, less 1")
    held_out: Annotated[float, Field(ge=0)] = Field(description="[h] of readings it was judged on")
    meter_sha256: Name = Field(description="of the readings")
    values_sha256: Name = Field(description="of the watts and PUE that it holds for")
