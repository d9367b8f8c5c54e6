"""What becomes of one Job at an instant: pure, of what its JSON, its policy and the clock say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from greensched.controller.deferral import HELD, OVERRIDDEN
from greensched.controller.names import (
    HOLD_UNTIL,
    LATEST_START,
    OWN_CONTROLLER,
    RELEASED_AT,
    RUN_NOW,
    STATUS,
)
from greensched.controller.terms import TermsError, terms_of
from greensched.providers.points import instant_ms, utc

if TYPE_CHECKING:
    from greensched.controller.job import Job
    from greensched.controller.policy import Policy
    from greensched.controller.terms import Defaults, Terms

FOREIGN_MANAGER: Final = "is run by {}, which alone may suspend it"
QUEUED: Final = "is in a queue of Kueue, which alone may suspend it"
OWNED: Final = "belongs to {} {}, which alone may suspend it"


class Standing(Enum):
    """Where a Job stands."""

    FOREIGN = "foreign"  # somebody else's to suspend
    IGNORED = "ignored"  # no label, and never ours
    ENDED = "ended"
    OVERRIDDEN = "overridden"  # runs, and not because we let it
    RUNNING = "running"  # runs because we let it
    HELD = "held"  # suspended by somebody after it ran, or until an instant
    RELEASE = "release"  # to be let run at once
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """Where a Job stands, why, and the terms by which it waits or runs (None: they are no use)."""

    standing: Standing
    why: str = ""
    terms: Terms | None = None
    until_ms: int | None = None  # it is held so long


def assess(
    job: Job,
    *,
    phase: str,
    policy: Policy | None,
    no_policy: str,
    defaults: Defaults,
    now_ms: int,
) -> Assessed:
    """Return where a Job stands; `phase` is its Deferral's, empty where it has none.

    Whatever keeps us from knowing when it has to start lets it start now.
    """
    if job.ended_ms is not None:
        return Assessed(standing=Standing.ENDED)
    was_ours = bool(phase) or LATEST_START in job.notes or STATUS in job.notes
    if not job.is_labelled and not was_ours:
        return Assessed(standing=Standing.IGNORED)
    others = foreign(job)
    if others:
        return Assessed(standing=Standing.FOREIGN, why=others)
    human = _human(job, phase, was_ours=was_ours)
    if human is not None:
        return human
    terms, broken = _terms(job, policy, defaults)
    if not job.is_suspended:
        return Assessed(standing=Standing.RUNNING, terms=terms)
    return _suspended(job, terms, broken or no_policy, policy, now_ms, is_ours=was_ours)


def _human(job: Job, phase: str, *, was_ours: bool) -> Assessed | None:
    """Return where a Job stands that somebody let run, or suspended, himself; else None."""
    is_released = RELEASED_AT in job.notes
    if not job.is_suspended and not is_released:
        why = "somebody let it run" if was_ours else "was not created suspended"
        return Assessed(standing=Standing.OVERRIDDEN, why=why)
    if not job.is_suspended and phase in (HELD, OVERRIDDEN):
        return Assessed(standing=Standing.OVERRIDDEN, why="somebody let it go on")
    if job.is_suspended and (is_released or phase == OVERRIDDEN):
        return Assessed(standing=Standing.HELD, why="somebody suspended it after it was let run")
    return None


def _terms(job: Job, policy: Policy | None, defaults: Defaults) -> tuple[Terms | None, str]:
    if policy is None:
        return None, ""
    try:
        return terms_of(job, defaults), ""
    except TermsError as error:
        return None, str(error)


def _suspended(  # noqa: PLR0911 - one case after the other, the strongest first
    job: Job, terms: Terms | None, why: str, policy: Policy | None, now_ms: int, *, is_ours: bool
) -> Assessed:
    """Return where a Job stands that nobody but us keeps from running."""
    if job.notes.get(RUN_NOW) == "true":
        return Assessed(standing=Standing.RELEASE, why="run-now was asked for", terms=terms)
    if RUN_NOW in job.notes and job.notes[RUN_NOW] != "false":
        why = f'run-now: {job.notes[RUN_NOW]!r} is neither "true" nor "false"'
        return Assessed(standing=Standing.RELEASE, why=why, terms=terms)
    try:
        held_ms = instant_ms(job.notes[HOLD_UNTIL]) if HOLD_UNTIL in job.notes else now_ms
    except ValueError as error:
        return Assessed(standing=Standing.RELEASE, why=f"hold-until: {error}", terms=terms)
    if held_ms > now_ms:
        why = f"held until {utc(held_ms)}, as hold-until asks"
        return Assessed(standing=Standing.HELD, why=why, terms=terms, until_ms=held_ms)
    if not job.is_labelled:
        return Assessed(standing=Standing.RELEASE, why="its label was removed", terms=terms)
    if terms is None or policy is None or policy.spec is None:
        return Assessed(standing=Standing.RELEASE, why=why)
    if policy.spec.paused and not is_ours:
        why = f"policy {policy.name} is paused: nothing new is deferred"
        return Assessed(standing=Standing.RELEASE, why=why, terms=terms)
    if terms.latest_start_ms <= now_ms:
        why = f"its latest start, {utc(terms.latest_start_ms)}, has come"
        return Assessed(standing=Standing.RELEASE, why=why, terms=terms)
    return Assessed(standing=Standing.WAITING, terms=terms)


def foreign(job: Job) -> str:
    """Return who else suspends a Job, empty where nobody does."""
    if job.managed_by != OWN_CONTROLLER:
        return FOREIGN_MANAGER.format(job.managed_by)
    if job.owner is not None and not job.is_of_cron:
        return OWNED.format(*job.owner)
    return QUEUED if job.is_queued_elsewhere else ""
