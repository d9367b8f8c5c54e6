"""Small random worlds in which a script holds jobs, pauses them and lets them go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from hypothesis import strategies as st

from greensched.model import NONE, Hold, Release, Resume, Setting, Suspend
from tests.engine.random_worlds import WAKE_MS, WINDOW_MS, batch_worlds, full_worlds
from tests.engine.worlds import Scripted

if TYPE_CHECKING:
    from greensched.model import Action, Jobs

PERIOD_MS: Final = 700  # no multiple of it is the window's end, where who goes first is not said
TICK_MS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Scripted):
    """A script that may also hold, release and suspend jobs."""

    period_ms: int = PERIOD_MS
    max_delay_ms: int = 9_000
    shifts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Intensity of which nothing is known."""

    tick_ms: int = TICK_MS

    def issued(self, now_ms: int, *, truth: bool) -> None:
        """Return what is known: nothing."""


def _shifts(rng: np.random.Generator, at_ms: int, jobs: int) -> list[Action]:
    """Return what one wake decides: to hold in most cases, and a few jobs to go or to stop."""
    found: list[Action] = [Hold()] if rng.random() < 0.8 else []
    goes, stops, goes_on = (np.flatnonzero(rng.random(jobs) < 0.25) for _ in range(3))
    times = at_ms + rng.integers(-50, PERIOD_MS + 50, jobs)
    found.append(Release(jobs=goes, at_ms=times[goes], site=np.full(len(goes), NONE)))
    found.append(Suspend(jobs=stops, at_ms=times[stops]))
    found.append(Resume(jobs=goes_on, at_ms=times[goes_on]))
    return found


def _classes(rng: np.random.Generator, table: Jobs) -> Jobs:
    """Return the jobs, most of whose classes may wait, some pause; some jobs have a deadline."""
    classes = tuple(
        replace(
            one,
            deferrable=bool(rng.random() < 0.8),
            max_delay_ms=int(rng.choice([NONE, 2_000, 6_000])),
            interruptible=bool(rng.random() < 0.7),
        )
        for one in table.classes
    )
    due = table.submit_ms + table.duration_ms + 300_000 + rng.integers(0, 8_000, len(table))
    deadline = np.where(rng.random(len(table)) < 0.3, due, NONE)
    return replace(table, classes=classes, deadline_ms=deadline)


@st.composite
def shifted_worlds(draw: st.DrawFn) -> Setting:
    """Draw a world, with services or without, and a script that also shifts its jobs."""
    base = draw(st.one_of(batch_worlds(), full_worlds()))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    assert base.jobs is not None
    others: Any = base.policies
    script: dict[int, list[Action]] = {}
    for policy in others:
        for at_ms, told in policy.script:
            script.setdefault(at_ms // WAKE_MS * PERIOD_MS, []).extend(told)
    for at_ms in range(0, WINDOW_MS, PERIOD_MS):
        script.setdefault(at_ms, []).extend(_shifts(rng, at_ms, len(base.jobs)))
    told = tuple((at_ms, tuple(actions)) for at_ms, actions in sorted(script.items()))
    return replace(
        base,
        jobs=_classes(rng, base.jobs),
        policies=(Held(script=told),),
        carbon=Unknown(),
    )
