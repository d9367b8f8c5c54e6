"""The parts of a scenario that take machines out of service: failures and maintenance."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from greensched.scenario.types import Duration, Instant, Name, Spec, problem

# Schroeder and Gibson 2010, IEEE Trans. Dependable Secur. Comput. 7(4):337-350, doi
# 10.1109/TDSC.2009.4: times between failures of clusters fit a Weibull of shape 0.7 to 0.8.
WEIBULL_SHAPE: Final = 0.7


class FailureLaw(Spec):
    """How often something fails, and how long until it is back.

    `mtbf` is the mean *operating* time between failures (IEC 60050-192, 192-05-13), `mttr` the
    mean time to restoration (192-07-23), which is drawn exponentially.
    """

    mtbf: Annotated[Duration, Field(gt=0)] = Field(
        description="mean operating time between failures, of one machine or one site"
    )
    mttr: Annotated[Duration, Field(gt=0)] = Field(description="mean time to restoration")
    distribution: Literal["exponential", "weibull"] = Field(
        default="exponential", description="of the operating time between failures"
    )
    shape: Annotated[float, Field(ge=0.1, le=10)] | None = Field(
        default=None, description=f"of weibull; below 1: failures cluster; default {WEIBULL_SHAPE}"
    )

    @model_validator(mode="after")
    def _shaped(self) -> FailureLaw:
        """Refuse a shape where there is none."""
        if self.shape is not None and self.distribution != "weibull":
            raise problem("'shape' is of weibull", "write 'distribution: weibull'")
        return self

    @property
    def weibull_shape(self) -> float:
        """Return the shape; an exponential law is a Weibull of shape 1."""
        if self.distribution == "exponential":
            return 1.0
        return WEIBULL_SHAPE if self.shape is None else self.shape


class FailuresSpec(Spec):
    """Failures, equal in all runs of the scenario; no policy sees them or their end ahead."""

    enabled: bool = Field(default=True, description="whether they happen")
    trace: Name | None = Field(default=None, description="'data:PATH' or a path: CSV or Parquet")
    time_zone: Name | None = Field(
        default=None, description="of the trace's times without an offset: IANA name or '+08:00'"
    )
    machines: FailureLaw | None = Field(default=None, description="each fails by itself")
    sites: FailureLaw | None = Field(default=None, description="all machines of one at once")

    @model_validator(mode="after")
    def _some(self) -> FailuresSpec:
        """Require that something fails."""
        if self.trace is None and self.machines is None and self.sites is None:
            raise problem("nothing fails", "give any of 'trace', 'machines' and 'sites'")
        return self


class MaintenanceSpec(Spec):
    """A site or a machine type that is taken out of service on purpose."""

    enabled: bool = Field(default=True, description="whether it takes place")
    site: Name | None = None
    fleet: Name | None = Field(default=None, description="a machine type's name")
    since: Instant = Field(alias="from", description="with its UTC offset")
    until: Instant
    notice: Duration = Field(
        default=1_800_000,
        description="so long before nothing new starts and replicas move; then what is left stops",
    )

    @model_validator(mode="after")
    def _one_place(self) -> MaintenanceSpec:
        """Require one place and an end after the beginning."""
        if (self.site is None) == (self.fleet is None):
            raise problem("maintenance is of either a 'site' or a 'fleet'")
        if self.until <= self.since:
            raise problem(f"'until' {self.until.isoformat()} is not after 'from'")
        return self
