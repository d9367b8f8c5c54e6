"""When to run: the cleanest window that still ends in time, or now where nothing is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from greensched.bounds.window import best_window
from greensched.providers.chain import UNKNOWN
from greensched.providers.constant import NOT_ASSESSABLE, Constant
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from greensched.bounds.window import Choice
    from greensched.providers.chain import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """`wait` until `choice.best`, run `now`, or run now because nothing is known (`unknown`)."""

    decision: Literal["wait", "now", "unknown"]
    reason: str
    start_ms: int
    latest_start_ms: int
    choice: Choice | None


def advise(answer: Answer, length_ms: int, within_ms: int) -> Advice:
    """Return when a run of `length_ms` that must end `within_ms` from now is cleanest.

    Where less than that is known, it is the best of what is known; where not even a run that
    starts now is known all through, the advice is to run now.
    """
    assert 0 < length_ms <= within_ms
    now_ms = answer.query.now_ms
    latest_ms = now_ms + within_ms - length_ms
    known_ms = min(latest_ms, answer.known_until_ms - length_ms)
    if answer.series is None or known_ms < now_ms:
        reason = f"{UNKNOWN} ({answer.query.zone}: no source knows the next hours)"
        return Advice(
            decision="unknown",
            reason=reason,
            start_ms=now_ms,
            latest_start_ms=latest_ms,
            choice=None,
        )
    choice = best_window(answer.series, now_ms, length_ms, known_ms)
    waits = choice.best.start_ms > now_ms
    reason = "" if waits else "no later start is cleaner"
    if not waits and is_annual(answer):
        reason = NOT_ASSESSABLE
    if known_ms < latest_ms:
        hours = (answer.query.until_ms - answer.known_until_ms) / MS_PER_H
        reason = "; ".join(filter(None, [reason, f"nothing is known of the last {hours:g} h"]))
    return Advice(
        decision="wait" if waits else "now",
        reason=reason,
        start_ms=choice.best.start_ms,
        latest_start_ms=latest_ms,
        choice=choice,
    )


def is_annual(answer: Answer) -> bool:
    """Tell whether all that is known is an annual factor, which says nothing of hours."""
    return answer.series is not None and answer.series.labels.source == Constant.name
