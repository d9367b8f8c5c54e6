"""The fleet part of a scenario: machines typed by hand or taken from a trace, and their power."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from greensched.scenario.machines import KnownType, known_type, near_type
from greensched.scenario.types import Count, Duration, Memory, Name, Power, Share, Spec, problem
from greensched.units import MS_PER_DAY

WATTS_MAX = 20_000.0
KGCO2E_MAX = 1e6


class CurvePower(Spec):
    """Power between idle and peak on a named curve."""

    model: Name = Field(default="linear", description="name of a power model")
    idle: Power
    peak: Power
    r: Annotated[float, Field(gt=0)] | None = Field(default=None, description="of mse")
    alpha: Annotated[float, Field(gt=0)] | None = Field(default=None, description="of asymptotic")


class PointPower(Spec):
    """Watts at 0, 10, .. 100 % load, as SPECpower measures them."""

    watts: Annotated[
        tuple[Annotated[float, Field(ge=0, le=WATTS_MAX)], ...],
        Field(min_length=11, max_length=11, description="[W] at 0, 10, .. 100 % load"),
    ]


MachinePower: TypeAlias = Annotated[
    Annotated[CurvePower, Tag("<curve>")] | Annotated[PointPower, Tag("<points>")],
    Discriminator(
        lambda v: (
            "<points>"
            if isinstance(v, PointPower) or (isinstance(v, dict) and "watts" in v)
            else "<curve>"
        )
    ),
]


class CorePower(Spec):
    """Power of machines of a trace by their size: `per_core` at full load, a share of it idle."""

    model: Name = "linear"
    per_core: Power = Field(description="at full load, for each core")
    idle_share: Share = Field(description="idle power / peak power")


class GpuPower(Spec):
    """Idle and peak power of one device."""

    idle: Power
    peak: Power
    assumed: bool = Field(default=True, description="false where measured or given by the maker")


class Boot(Spec):
    """From off to on."""

    time: Duration = 180_000
    power: Power | None = Field(default=None, description="default: the machine's peak power")


class Sleep(Spec):
    """Suspended to memory."""

    power: Power = 5.0
    wake: Duration = 30_000


class Off(Spec):
    """Switched off; the management controller still draws power."""

    power: Power = 5.0


class Embodied(Spec):
    """Emissions of making one machine, and how long it serves."""

    kgco2e: Annotated[float, Field(ge=0, le=KGCO2E_MAX)]
    range: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=2, max_length=2)]
    lifetime: Annotated[Duration, Field(gt=0)] = 4 * 365 * MS_PER_DAY

    @model_validator(mode="after")
    def _ordered(self) -> Embodied:
        """Require low <= mid <= high."""
        if not self.range[0] <= self.kgco2e <= self.range[1]:
            raise problem(
                f"kgco2e {self.kgco2e:g} is outside range {self.range[0]:g}..{self.range[1]:g}",
                "write range: [low, high] around it",
            )
        return self


class Reserved(Spec):
    """What the system keeps of each machine."""

    cores: Annotated[float, Field(ge=0)] = 0.0
    memory: Memory = 0


class MachineBase(Spec):
    """What machines typed by hand and machines of a trace have in common."""

    site: Name
    role: Literal["online", "batch", "any", "database"] = "any"
    boot: Boot = Boot()
    sleep: Sleep = Sleep()
    off: Off = Off()
    embodied: Embodied | None = None
    reserved: Reserved = Reserved()
    smt_factor: Share = Field(
        default=1.0,
        description="what a core's second hyperthread adds, where 'cores' counts hyperthreads",
    )
    pods_max: Count = Field(default=0, description="0: no limit")
    labels: dict[str, str] = Field(default_factory=dict)
    disk: Memory = Field(default=0, description="for databases; 0: no limit")
    iops: Count = Field(default=0, description="for databases, operations/s; 0: no limit")
    racks: Count = Field(
        default=0, description="failure domains; machines in turn; 0: each machine is its own"
    )


class MachineSpec(MachineBase):
    """A number of equal machines."""

    name: Name
    count: Annotated[int, Field(ge=0, le=10_000_000)]
    cores: Annotated[float, Field(gt=0, le=100_000)]
    memory: Memory
    power: MachinePower
    gpus: Count = 0
    gpu_model: str = ""
    gpu_power: GpuPower | None = None


def _known(name: str) -> str:
    """Return the name of a machine type that is in the table."""
    if known_type(name) is None:
        raise problem(f"unknown machine type '{name}'", near_type(name))
    return name


class TypedMachine(MachineBase):
    """A number of equal machines of a published type: size, watts and embodied are looked up.

    A cloud's machine is released, not switched off: it then draws nothing and emits nothing of its
    making, and is booted anew. Its energy is allocated: a server's, by its share of the vCPUs.
    """

    name: Name
    count: Annotated[int, Field(ge=0, le=10_000_000)]
    type: Annotated[Name, AfterValidator(_known)] = Field(
        description="such as m6i.4xlarge, n2-standard-8, Standard_D8s_v4 or server-2022"
    )
    power: MachinePower | None = Field(default=None, description="default: the type's")

    @property
    def known(self) -> KnownType:
        """Return what is published of the type."""
        found = known_type(self.type)
        assert found is not None
        return found

    @model_validator(mode="after")
    def _released(self) -> TypedMachine:
        """Refuse sleep and off of what is released."""
        given = [name for name in ("sleep", "off") if name in self.model_fields_set]
        if given and self.known.cloud:
            what = f"'{given[0]}' of a cloud's machine: {self.type} is released instead"
            raise problem(what, "leave it out")
        return self


class FleetFile(MachineBase):
    """The machines that a trace lists, grouped by size."""

    source: Name = Field(alias="from", description="'data:PATH', 'bundled:NAME' or a path")
    reader: Name | None = None
    power: CorePower
    gpu_power: dict[str, GpuPower] = Field(
        default_factory=dict, description="by GPU model; every model listed there needs one"
    )


FleetEntry: TypeAlias = Annotated[
    Annotated[MachineSpec, Tag("<machine>")]
    | Annotated[TypedMachine, Tag("<typed>")]
    | Annotated[FleetFile, Tag("<file>")],
    Discriminator(
        lambda v: (
            "<file>"
            if isinstance(v, FleetFile) or (isinstance(v, dict) and "from" in v)
            else "<typed>"
            if isinstance(v, TypedMachine) or (isinstance(v, dict) and "type" in v)
            else "<machine>"
        )
    ),
]
