"""A job, and the states that it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

WAITING: Final = "waiting"
HELD: Final = "held"
STARTING: Final = "starting"  # a worker has decided; no supervisor has said that it runs
RUNNING: Final = "running"
PAUSED: Final = "paused"
FINISHED: Final = "finished"  # exit code 0
FAILED: Final = "failed"  # any other
CANCELLED: Final = "cancelled"
INTERRUPTED: Final = "interrupted"  # how it ended is not known
QUEUED: Final = (WAITING, HELD)
ACTIVE: Final = (STARTING, RUNNING, PAUSED)
ENDED: Final = (FINISHED, FAILED, CANCELLED, INTERRUPTED)

AS_TOLD: Final = "as told"
UNKNOWN: Final = "no forecast: runs at once"
OVERDUE: Final = "its latest start has passed: starts as soon as cores are free"

Piece = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is run, and when it may; instants are [ms since 1970 UTC].

    `pieces` are when it is planned to run; `leader` and `leader_identity` which process it is,
    `nonce` which start. `now_g_per_kwh` and `planned_g_per_kwh` are what the forecast said of a
    run at creation and of the plan, None where nothing was known; `outlook` is the number of the
    forecast at creation.
    """

    id: int = 0
    argv: tuple[str, ...]
    folder: str
    umask: int
    env: dict[str, str]
    cpu_m: int
    interruptible: bool = False
    rerunnable: bool = False
    created_ms: int
    duration_ms: int
    duration_from: str  # AS_TOLD, or where it is taken from
    deadline_ms: int | None = None
    latest_start_ms: int
    state: str = WAITING
    cancel: bool = False
    reason: str = ""
    pieces: tuple[Piece, ...] = ()
    now_g_per_kwh: float | None = None
    planned_g_per_kwh: float | None = None
    outlook: int | None = None
    attempt: int = 0
    nonce: str = ""
    leader: int | None = None
    leader_identity: str | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    exit_code: int | None = None
    cpu_ms: int | None = None
    power_w: float | None = None
    quality: str = ""
    settled: str = ""  # JSON of the settlement; empty: not yet
    is_final: bool = False  # settled, with actual intensity
    entry: str = ""  # the key of its last entry in the ledger; empty: none yet

    @property
    def planned_ms(self) -> int:
        """Return when it is to start; without a plan its latest start."""
        return self.pieces[0][0] if self.pieces else self.latest_start_ms


class Slip(NamedTuple):
    """Of a job, what a plan has to know."""

    id: int
    state: str
    created_ms: int
    duration_ms: int
    latest_start_ms: int
    cpu_m: int
    interruptible: bool
    started_ms: int | None
    pieces: tuple[Piece, ...]
    planned_g_per_kwh: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`[start_ms, end_ms)` in which a job's processes ran; `end_ms` None: they still do."""

    job: int
    attempt: int
    start_ms: int
    end_ms: int | None
