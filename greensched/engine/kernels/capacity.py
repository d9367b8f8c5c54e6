"""What a machine has left for batch and for services, and for how long; what fits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.compiling import inner
from greensched.engine.kernels.layout import INF, ONE, P_BATCH
from greensched.engine.kernels.memory import mach_of, w_of
from greensched.model import LENT, ON, OWN, ROLE_CODES

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import Pages

_BATCH_ROLE = ROLE_CODES["batch"]
_ONLINE_ROLE = ROLE_CODES["online"]
_DATABASE_ROLE = ROLE_CODES["database"]


@inner
def batch_limit_cpu(world: Pages, m: int) -> int:
    """Return how much CPU [millicores] batch may reserve on machine m in all."""
    r = mach_of(world)[m]
    if r.state != ON or r.role == _DATABASE_ROLE:
        return 0
    if r.lending == LENT:
        return r.cpu_m
    if r.lending != OWN:
        return 0
    if r.role == _BATCH_ROLE:
        return r.cpu_m
    if r.role != _ONLINE_ROLE and r.n_reps == 0:
        return r.cpu_m
    return min(r.limit_cpu_m, r.cpu_m)


@inner
def batch_limit_memory(world: Pages, m: int) -> int:
    """Return how much memory [MiB] batch may reserve on machine m in all."""
    r = mach_of(world)[m]
    free = r.memory_mib - r.online_memory_mib
    if r.lending == OWN and r.role != _BATCH_ROLE and (r.role == _ONLINE_ROLE or r.n_reps > 0):
        return min(free, r.limit_memory_mib)
    return free


@inner
def batch_free_cpu(world: Pages, m: int) -> int:
    """Return the CPU [millicores] that batch may still reserve on machine m."""
    mach = mach_of(world)
    return batch_limit_cpu(world, m) - mach[m].batch_cpu_m


@inner
def batch_free_memory(world: Pages, m: int) -> int:
    """Return the memory [MiB] that batch may still reserve on machine m."""
    return batch_limit_memory(world, m) - mach_of(world)[m].batch_memory_mib


@inner
def online_free_memory(world: Pages, m: int) -> int:
    """Return the memory [MiB] that replicas may still reserve on machine m."""
    r = mach_of(world)[m]
    return r.memory_mib - r.online_memory_mib - r.batch_memory_mib


@inner
def free_memory(world: Pages, pool: int, m: int) -> int:
    """Return the memory [MiB] that work of a pool may still reserve on machine m."""
    return online_free_memory(world, m) if pool < P_BATCH else batch_free_memory(world, m)


@inner
def online_free_cpu(world: Pages, m: int) -> int:
    """Return the CPU [millicores] that replicas may still reserve, or -1 where none may."""
    r = mach_of(world)[m]
    if r.state != ON or r.lending != OWN or r.role == _BATCH_ROLE:
        return -1
    if r.role == _DATABASE_ROLE:
        return -1
    if r.role != _ONLINE_ROLE and r.n_reps == 0 and r.n_jobs > 0:
        return -1
    return r.cpu_m - r.online_cpu_m


@inner
def _takes_one_more(world: Pages, m: int, gpu_m: int) -> bool:
    """Say whether machine m has a pod left, and GPUs (thousandths) enough in sum."""
    r = mach_of(world)[m]
    if r.pods_max > 0 and r.n_reps + r.n_jobs >= r.pods_max:
        return False
    return r.gpu_free_m >= gpu_m


@inner
def fits_online(world: Pages, m: int, cpu_m: int, memory_mib: int, gpu_m: int) -> bool:
    """Say whether a replica of this size fits machine m now."""
    if online_free_cpu(world, m) < cpu_m:
        return False
    if online_free_memory(world, m) < memory_mib:
        return False
    return _takes_one_more(world, m, gpu_m)


@inner
def stay_max(world: Pages, m: int) -> int:
    """Return how long [ms] work that starts on machine m now may need in one piece.

    Lent machines are recalled some time, and services come first where they share a machine.
    """
    r = mach_of(world)[m]
    if r.role == _BATCH_ROLE:
        return INF
    if r.lending != OWN:
        return r.stay_until_ms - w_of(world)[0].now_ms
    if r.role != _ONLINE_ROLE and r.n_reps == 0:
        return INF
    return r.stay_ms_max


@inner
def may_stay(world: Pages, m: int, stay_ms: int) -> bool:
    """Say whether work that needs `stay_ms` in one piece (0: any) should start on machine m."""
    return stay_ms == 0 or stay_ms <= stay_max(world, m)


@inner
def some_cpu(cpu_m: int) -> int:
    """Return the CPU [millicores] that must be free for a request: without any, nothing starts."""
    return max(cpu_m, ONE)


@inner
def fits_batch(
    world: Pages, m: int, cpu_m: int, memory_mib: int, gpu_m: int, types: int, stay_ms: int
) -> bool:
    """Say whether a task of this size fits machine m now."""
    if (types & mach_of(world)[m].type_bit) == 0 or batch_free_cpu(world, m) < some_cpu(cpu_m):
        return False
    if not may_stay(world, m, stay_ms):
        return False
    if batch_free_memory(world, m) < memory_mib:
        return False
    return _takes_one_more(world, m, gpu_m)
