"""Time words: how long something is taken to run, and when it has to begin at the latest.

`deadline` means *finish by*; `max_delay_ms` is the longest wait before the start. All times are
instants [ms since 1970 UTC] or spans [ms].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS_MIN: Final = 5  # of fewer runs nothing is foretold
MARGIN_MIN_MS: Final = 5 * MS_PER_MIN
MARGIN_SHARE: Final = 10  # a tenth of what it is taken to run
PERCENTILE: Final = 95


def expected_ms(runs_ms: Sequence[int]) -> int | None:
    """Return the 95th percentile (linear, rounded up) of past runs, None where they are few."""
    if len(runs_ms) < RUNS_MIN:
        return None
    runs = sorted(runs_ms)
    whole, rest = divmod((len(runs) - 1) * PERCENTILE, 100)
    above = runs[whole + 1] - runs[whole] if rest else 0
    return runs[whole] - (-above * rest // 100)


def margin_ms(duration_ms: int) -> int:
    """Return what is kept free before a deadline: a tenth of the run, 5 minutes at least."""
    return max(MARGIN_MIN_MS, -(-duration_ms // MARGIN_SHARE))


def latest_start_ms(
    created_ms: int,
    duration_ms: int,
    *,
    max_delay_ms: int | None = None,
    deadline_ms: int | None = None,
) -> int:
    """Return min(created + max-delay, deadline - duration - margin), which may have passed."""
    ends = []
    if max_delay_ms is not None:
        ends.append(created_ms + max_delay_ms)
    if deadline_ms is not None:
        ends.append(deadline_ms - duration_ms - margin_ms(duration_ms))
    assert ends, "neither a longest wait nor a deadline"
    return min(ends)
