"""What the user says about a file that the file does not say itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from greensched.errors import Finding, UsageError
from greensched.readers.zones import zone_of
from greensched.units import MS_PER_H, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greensched.model import Trace

TimeUnit: TypeAlias = Literal["", "ms", "s", "min", "h"]
LoadUnit: TypeAlias = Literal["", "percent", "cores", "requests"]
OnBad: TypeAlias = Literal["fail", "drop"]
Fill: TypeAlias = Literal["", "fail", "hold", "zero"]

MS_PER_UNIT: dict[str, int] = {"ms": 1, "s": MS_PER_S, "min": MS_PER_MIN, "h": MS_PER_H}

_FLAGS = {
    "cpu_m": "cores",
    "replica_cpu_m": "replica-cores",
    "cpu_s_per_request": "cpu-seconds-per-request",
    "gpu_s_per_request": "gpu-seconds-per-request",
}
_UNITS = {"ms": "ms", "s": "s", "m": "millicores", "mib": "MiB"}  # last part of a field's name
_CHOICES: dict[str, tuple[str, ...]] = {
    "time_unit": ("", *MS_PER_UNIT),
    "unit": ("", "percent", "cores", "requests"),
    "on_bad": ("fail", "drop"),
    "fill": ("", "fail", "hold", "zero"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options of every reader; each reader uses those that its format needs.

    `map` holds pairs (name in the schema, column in the file). `cpu_m` [millicores] is the
    capacity that 100 % stands for. A `service_time_ms` of 0 means the default of 50, assumed.
    Raises UsageError where a choice is none of the known ones or a number is negative.
    """

    map: tuple[tuple[str, str], ...] = ()
    time_unit: TimeUnit = ""
    time_zone: str = ""  # IANA name or offset such as +08:00, for times without one
    zero_utc: str = ""  # the instant that trace time zero stands for, where the file has none
    step_ms: int = 0
    column: str = ""
    unit: LoadUnit = ""
    time_column: str = ""
    group_by: str = ""  # one service for each value
    sum_over: str = ""  # series that are resampled on their own and summed in their group
    name: str = ""  # of the service, where there is no group_by
    member: str = ""  # file inside an archive, where it has several
    fill: Fill = ""  # of gaps; empty: as the reader documents
    per_ms: int = 1_000  # values of unit requests count the requests in this time
    cpu_s_per_request: float = 0.0
    gpu_s_per_request: float = 0.0
    cpu_m: int = 0
    memory_mib: int = 0  # that 1.0, or 100 %, of memory stands for
    replica_cpu_m: int = 4_000
    replica_memory_mib: int = 8_192
    replicas_min: int = 1
    startup_ms: int = 60_000
    service_time_ms: float = 0.0
    on_bad: OnBad = "fail"
    allow_instant: bool = False
    synthetic: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be, all at once."""
        findings = [
            Finding(
                where=_flag(name),
                what=f"unknown value {getattr(self, name)!r}",
                remedy="known: " + ", ".join(c for c in known if c),
            )
            for name, known in _CHOICES.items()
            if getattr(self, name) not in known
        ]
        findings += [
            Finding(where=_flag(name), what=_beyond(name, value), remedy="give 0 or more")
            for name, value in asdict(self).items()
            if isinstance(value, int | float) and not 0 <= value < float("inf")
        ]
        if self.time_zone:
            try:
                zone_of(self.time_zone)
            except UsageError as error:
                findings += error.findings
        if findings:
            raise UsageError(*findings)

    def check_map(self, known: Sequence[str], reader: str) -> None:
        """Raise UsageError for every name in `map` that the schema of `reader` does not have."""
        names = [n for n, _ in self.map]
        findings = [
            Finding(where=f"--map {name}=", what="given twice", remedy="give it once")
            for name in sorted({n for n in names if names.count(n) > 1})
        ]
        for name in (n for n in names if n not in known):
            near = get_close_matches(name, known, n=1)
            remedy = f"did you mean '{near[0]}'?" if near else "see docs/reference/traces.md"
            if not known:
                remedy = "its columns have fixed names"
            what = f"the format '{reader}' has no '{name}'"
            findings.append(Finding(where=f"--map {name}=", what=what, remedy=remedy))
        if findings:
            raise UsageError(*findings)

    @property
    def columns(self) -> dict[str, str]:
        """Return `map` as a dict: name in the schema -> column in the file."""
        return dict(self.map)


def with_units(*names: str) -> tuple[str, ...]:
    """Return the names of times in a schema, each bare and with every unit."""
    return tuple(n for name in names for n in (name, *(f"{name}_{u}" for u in MS_PER_UNIT)))


def _flag(name: str) -> str:
    """Return the option that fills the field `name`."""
    return "--" + _FLAGS.get(name, name.removesuffix("_ms").removesuffix("_mib")).replace("_", "-")


def _beyond(name: str, value: float) -> str:
    """Return what is wrong with a number below 0 or without end, in the unit of its field."""
    unit = next((u for u in _UNITS if name.endswith(f"_{u}") or f"_{u}_" in name), "")
    told = f"{value:,.15g} {_UNITS.get(unit, '')}".strip()
    return f"{told} is below 0" if value < 0 else f"{told} is not a finite number"


class Reader(Protocol):
    """What the `read` function of each format's module is."""

    def __call__(self, files: Sequence[Path], options: ReadOptions) -> Trace:
        """Return the trace in `files`; raise DataError where they cannot be trusted."""
        ...
