"""What is seen of one watched place at an instant; instants are [ms since 1970 UTC]."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

OVERDUE: Final = "overdue"
STALE: Final = "stale intensity"
BROKEN: Final = "broken ledger"
UNREACHABLE: Final = "not readable"
NO_WORKER: Final = "no worker"
NO_LEADER: Final = "nobody leads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that somebody has to look at: what kind, where, what, and what to do."""

    kind: str
    where: str
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A job that waits or runs: what it is, why it is where it is, and until when."""

    id: str
    name: str
    state: str
    why: str
    cores: float
    start_ms: int
    latest_start_ms: int
    end_ms: int | None = None
    saving_share: float | None = None  # of what it would emit at once, by the forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What one job saved by waiting [mg CO2e], below 0 where it cost, on the day that it ended."""

    end_ms: int
    saved_mg: int
    by: str  # actual, or forecast
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """Intensity as it was known at `asked_ms`: `values_g_per_kwh[i]` from `edges_ms[i]` on."""

    zone: str
    source: str
    asked_ms: int
    edges_ms: tuple[int, ...]
    values_g_per_kwh: tuple[float, ...]
    synthetic: bool = False

    def at(self, at_ms: int) -> float | None:
        """Return the intensity [g/kWh] at an instant, None where it is not known."""
        for begin, end, value in zip(
            self.edges_ms, self.edges_ms[1:], self.values_g_per_kwh, strict=False
        ):
            if begin <= at_ms < end:
                return value
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one watched place showed; `savings` by the key of the entry that was settled first.

    `facts` are lines of its own card: name and value. `waiting` and `running` count all jobs,
    `tasks` holds the next of them. `is_real`: savings are of machines that ran, no dry run.
    """

    title: str
    kind: str
    at_ms: int
    alarms: tuple[Alarm, ...] = ()
    tasks: tuple[Task, ...] = ()
    waiting: int = 0
    running: int = 0
    savings: Mapping[str, Saving] = field(default_factory=dict)
    is_real: bool = True
    ahead: Ahead | None = None
    facts: tuple[tuple[str, str], ...] = ()
    table: tuple[tuple[str, ...], ...] = ()  # head, then rows
    pictures: Mapping[str, str] = field(default_factory=dict)  # SVG by width
    sees: str = ""  # what there is to see in them


class Watch(Protocol):
    """A place that is looked at again and again."""

    period_s: float
    title: str
    kind: str

    def look(self, now_ms: int) -> Look:
        """Return what is seen now; raises GreenschedError where nothing can be."""
        ...
