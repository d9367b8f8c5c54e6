"""What is said of a job: why it is where it is, and what the forecast says that waiting saves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from greensched.batch.job import Job

REASONS: Final = {
    "held": "is held: `batch hold --release` lets it go",
    "starting": "is being started",
    "running": "runs",
    "paused": "is paused until a cleaner hour",
}


def when(time_ms: int) -> str:
    """Return an instant to the second, in UTC."""
    return f"{datetime.fromtimestamp(time_ms // MS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"


def saving_text(job: Job) -> str:
    """Return what the forecast says that waiting saves."""
    now_g, planned_g = job.now_g_per_kwh, job.planned_g_per_kwh
    if not now_g or planned_g is None:
        return ""
    share = 100 * (now_g - planned_g) / now_g
    return f", {planned_g:.0f} g/kWh rather than {now_g:.0f} at once ({share:+.0f} % saved)"


def why(job: Job) -> str:
    """Return why a job is where it is, in words."""
    if job.state != "waiting":
        return job.reason or REASONS.get(job.state, "")
    return job.reason or f"waits for {when(job.planned_ms)}{saving_text(job)}"
