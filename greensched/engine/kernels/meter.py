"""Power and energy of one machine: what it draws now, and its exact integral until now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.compiling.views import prefetch
from greensched.engine.kernels.heaps import heap_slot, tour_update
from greensched.engine.kernels.interference import slow_down
from greensched.engine.kernels.layout import (
    INF,
    R_BATCH,
    R_BOOTING,
    R_DATABASE,
    R_LENT,
    R_OFF,
    R_ONLINE,
    R_OUT,
    R_SHARED,
    R_SLEEPING,
    R_SURPLUS,
    RATE_ONE,
    ROLES,
    SHARE_ONE,
)
from greensched.engine.kernels.memory import (
    curve_of,
    energy_mj_of,
    heap_of,
    mach_of,
    machine_ms_of,
    next_ms_of,
    next_who_of,
    slot_of,
    w_of,
)
from greensched.model import BOOTING, OFF, OUT, OWN, ROLE_CODES, SLEEPING
from greensched.power import curve_watts as _curve_watts

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages

curve_watts = inner(_curve_watts)
_BATCH_ROLE = ROLE_CODES["batch"]
_ONLINE_ROLE = ROLE_CODES["online"]
_DATABASE_ROLE = ROLE_CODES["database"]


@inner
def sync(world: Pages, m: int) -> None:
    """Integrate machine m's power and the shares of its tenants up to now."""
    w, r = w_of(world), mach_of(world)[m]
    now = w[0].now_ms
    dt = now - r.last_ms
    if dt <= 0:
        return
    k = w[0].bucket
    energy_mj_of(world)[k, r.group] += r.watts * dt
    machine_ms_of(world)[k, r.group] += dt
    if r.n_jobs > 0 or r.n_reps > 0:
        r.prefix_idle += r.idle_rate * dt
        dynamic = r.dynamic_rate * dt
        r.prefix_dynamic += dynamic
        if r.n_jobs > 0:
            r.prefix_pressed += r.pressed * dt
            r.prefix_smt += r.smt_slowed * dt
            r.prefix_batch += dynamic * r.rate_f
            r.prefix_gpu += r.rate_f * dt
            r.virtual += r.rate * dt
        r.use_integral += r.online_use_m * dt
    r.last_ms = now


@inner
def use_until(world: Pages, m: int) -> float:
    """Return what services have used of machine m until now [mCPU x ms], settled or not."""
    r = mach_of(world)[m]
    if r.n_jobs == 0 and r.n_reps == 0:
        return r.use_integral
    return r.use_integral + r.online_use_m * (w_of(world)[0].now_ms - r.last_ms)


@inner
def role_of(world: Pages, m: int) -> int:
    """Return machine m's role in the usage table."""
    r = mach_of(world)[m]
    if r.surplus != 0:
        return R_SURPLUS
    if r.state == OFF:
        return R_OFF
    if r.state == SLEEPING:
        return R_SLEEPING
    if r.state == BOOTING:
        return R_BOOTING
    if r.state == OUT:
        return R_OUT
    if r.lending != OWN:
        return R_LENT
    if r.role == _BATCH_ROLE:
        return R_BATCH
    if r.role == _DATABASE_ROLE:
        return R_DATABASE
    if r.n_jobs == 0:
        return R_ONLINE
    return R_SHARED if r.n_reps > 0 or r.role == _ONLINE_ROLE else R_BATCH


@inner
def _batch_share(world: Pages, m: int) -> int:
    """Return the share that machine m's jobs get of what they would use, in 1/RATE_ONE (integer).

    Services get CPU first; jobs share what is left in proportion to what they would use.
    """
    r = mach_of(world)[m]
    if r.n_jobs == 0 or r.batch_use_m == 0:
        return RATE_ONE
    rest = min(r.cpu_m * r.use_share, float(r.cpu_m)) - r.online_use_m
    if rest >= r.batch_use_m:
        return RATE_ONE
    if rest <= 0.0:
        return 0
    return int(rest * RATE_ONE / r.batch_use_m)


@inner
def _watts_on(world: Pages, m: int) -> None:
    """Set power and the rates of its split among tenants of a machine that is on."""
    mach, curve = mach_of(world), curve_of(world)
    r = mach[m]
    use = r.online_use_m + r.rate_f * r.batch_use_m
    watts = curve_watts(r.power_kind, curve[r.power_row], min(1.0, use / r.full_cpu_m))
    idle = r.idle_w + r.n_gpus * r.gpu_idle_w
    r.dynamic_rate = (watts - r.idle_w) / use if use > 0.0 else 0.0
    r.idle_rate = idle / max(1.0, r.share_sum / SHARE_ONE)
    gpus = (r.online_gpu_use_m + r.rate_f * r.batch_gpu_m) * (r.gpu_peak_w - r.gpu_idle_w)
    r.watts = watts + r.n_gpus * r.gpu_idle_w + gpus / 1000.0


@inner
def refresh(world: Pages, m: int) -> None:
    """Recompute machine m's power, role and next job event; it has been synced to now."""
    mach, next_ms = mach_of(world), next_ms_of(world)
    r = mach[m]
    r.role_now = role_of(world, m)
    r.group = r.machine_type * ROLES + r.role_now
    r.rate = _batch_share(world, m)
    r.rate_f = r.rate / RATE_ONE
    slow_down(world, m)
    if r.state == OFF:
        r.watts = r.off_w
    elif r.state == SLEEPING:
        r.watts = r.sleep_w
    elif r.state == BOOTING:
        r.watts = r.boot_w
    elif r.state == OUT:  # what is kept on it takes nothing
        r.watts, r.idle_rate, r.dynamic_rate = r.off_w, 0.0, 0.0
    else:
        _watts_on(world, m)
    event = INF
    if r.heap_n > 0:
        # its record is read when its time has come, and has left the caches by then otherwise
        next_who_of(world)[m] = heap_of(world)[r.heap_at].who
        prefetch(slot_of(world), heap_slot(world, r.heap_at))
        left = heap_of(world)[r.heap_at].key - r.virtual
        if left <= 0:  # done at this instant, even where nothing is left for batch from now on
            event = r.last_ms
        elif r.rate == RATE_ONE:  # as below, without a division
            event = r.last_ms + (left + RATE_ONE - 1) // RATE_ONE
        elif r.rate > 0:
            event = r.last_ms - (-left) // r.rate
    if event != next_ms[m]:
        next_ms[m] = event
        tour_update(world, m)


@inner
def note_empty(world: Pages, m: int, now: int) -> None:
    """Remember since when nothing runs on machine m."""
    mach = mach_of(world)
    comes_back = mach[m].lending != OWN and mach[m].n_standby > 0
    if mach[m].n_reps + mach[m].n_jobs > 0 or comes_back:
        mach[m].empty_since_ms = -1
    elif mach[m].empty_since_ms < 0:
        mach[m].empty_since_ms = now
