"""The world's memory: one record array an entity, as all kernels share it.

Fields whose name begins with `n_` are counts; `prefix_` are integrals over time, kept for each
machine so that what a job or replica took is a difference of two values.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

# What kernels take: the address of a World's or JobTable's book, records of one entity, a table of
# numbers.
Pages: TypeAlias = Any
Records: TypeAlias = NDArray[Any]
Table: TypeAlias = NDArray[Any]


def _codes(n: int) -> tuple[int, ...]:
    """Return 0 .. n - 1 as numbers that a kernel may be called with (see NO)."""
    return tuple(cast("int", np.int64(i)) for i in range(n))


INF = 1 << 62
LEVELS = 1024  # of free capacity in the placement index
TOP = cast("int", np.int64(LEVELS))
BLOCK = 32  # levels a block of the index
BLOCKS = LEVELS // BLOCK + 1
RATE_ONE = 1 << 20  # progress of an undisturbed job in one millisecond
SHARE_ONE = 1_000_000  # a whole machine, in the unit of reserved shares
PRESS_ONE = 1_000  # the pressure of a job class that counts as it uses CPU
BACKFILL_DEPTH = 100  # waiting jobs looked at behind a blocked head
SLOT_BITS = 28  # of a place in a heap of jobs: its slot, with the job in the bits above
FREED_MAX = 8  # freed machines that are remembered by name
SHADOW_MACHINES = 4  # machines looked at for a blocked head's reservation

# roles of a machine in the usage table
(
    R_ONLINE,
    R_SHARED,
    R_LENT,
    R_BATCH,
    R_BOOTING,
    R_SLEEPING,
    R_OFF,
    R_SURPLUS,
    R_DATABASE,
    R_OUT,
) = _codes(10)
ROLES = 10

# Arguments that are written out in a call are of these types: a kernel is compiled anew for each
# literal that it is called with.
NO, ZERO, ONE = (cast("int", np.int64(n)) for n in (-1, 0, 1))
NEVER, ALWAYS = (cast("bool", np.bool_(n)) for n in (0, 1))

# placement pools: online / batch work, on machines without / with GPUs
P_ONLINE, P_ONLINE_GPU, P_BATCH, P_BATCH_GPU = _codes(4)
POOLS = 4

# queue disciplines and weighers, in the order of model.Discipline and model.Weigher
FIFO, PRIORITY, SHORTEST, EASY = _codes(4)
BEST_FIT, FIRST_FIT, WORST_FIT, SPREAD = _codes(4)

# timers
T_BOOT, T_READY, T_LENT, T_GRACE, T_WARM, T_MOVED, T_CUTOFF = _codes(7)

# columns that a snapshot shows of machines (integers, floats) and services
MACHINE_COLUMNS, MACHINE_REALS, SERVICE_COLUMNS, SERVICE_REALS = 16, 2, 5, 1

# replica states
A_FREE, A_STARTING, A_ONLINE, A_STANDBY, A_ARRIVING, A_CUTOFF = _codes(6)

# how far a job is that may be shifted: not yet, begun (held or waiting again), now, to its end
J_NEW, J_BEGUN, J_RUNS, J_ENDED = _codes(4)

# why a call of `advance` came back
DONE, GROW, RING, PLACE = _codes(4)

# what `control` carries out
(
    C_OPEN,
    C_SCALE,
    C_POWER,
    C_LEND,
    C_RECALL,
    C_LIMIT,
    C_RETRY,
    C_RING,
    C_PLACE,
    C_SETTLE,
    C_HOLD,
    C_MOVE,
    C_LEAVE,
    C_FAIL,
    C_RETURN,
    C_SEE_JOBS,
    C_SHIFT,
) = range(17)


def _dtype(text: str) -> np.dtype[Any]:
    """Return an aligned record type from lines `code: name name ...`."""
    fields = []
    for line in text.strip().splitlines():
        code, names = line.split(":")
        fields += [(name, code.strip()) for name in names.split()]
    return np.dtype(fields, align=True)


SCALARS = _dtype("""
i8: now_ms bucket cursor load_step load_next_ms arrivals_until_ms edge_next_ms
i8: n_on n_on_peak n_on_peak_ms n_running n_waiting n_completed n_evictions n_moves n_rejected
i8: slot_free wait_free rep_free n_reps timer_n timer_seq status spread_cursor tree_size
i8: load_start_ms load_step_ms wants_dispatch tour_bits discipline weigher n_power_cycles n_pending
i8: n_alive wants_replicas n_replica_changes n_freed heaps_end tasks_max steady_since_ms
i8: db_step db_next_ms db_start_ms db_step_ms
i8: n_outages n_out n_out_peak n_out_peak_ms n_replicas_lost n_jobs_lost lost_work graceful
i8: n_held holds shift_next_ms batch_room_m keeps_replicas to_spread n_spots
i8: freed_cpu_m freed_memory_mib
f8: standby_share move_energy_j move_j_per_mib move_ms_per_mib quantum gpu_quantum
f8: batch_sensitivity
""")
# In the order in which an event of a machine's jobs goes through it; what is rare comes last.
MACHINE = _dtype("""
i8: last_ms group n_jobs n_reps virtual rate
f8: watts idle_rate dynamic_rate rate_f online_use_m use_integral
f8: prefix_idle prefix_dynamic prefix_batch prefix_gpu
f8: pressed smt_slowed prefix_pressed prefix_smt
i8: heap_at heap_n heap_room job_head
i8: state lending role cpu_m limit_cpu_m batch_cpu_m online_cpu_m
i8: memory_mib limit_memory_mib batch_memory_mib online_memory_mib
i8: gpu_free_m empty_since_ms batch_use_m
i8: type_bit pods_max stay_until_ms stay_ms_max n_gpus
f8: quantum gpu_quantum
i8: full_cpu_m full_memory_mib share_sum batch_gpu_m empty_before_ms
i8: surplus machine_type role_now power_kind power_row n_standby batch_press
f8: use_share idle_w gpu_idle_w gpu_peak_w online_gpu_use_m
f8: boot_w sleep_w off_w smt_factor
i8: gpu_base boot_ms wake_ms warm_ms sleep_to rep_head gen returns told
i8: iops batch_room_m
f8: wanted_m wanted_iops
""")
LINK = _dtype("""
i8: level previous next
""")
# Equal tasks of one gang on one machine are one slot: sizes, share and use are those of all.
# `alone`: all of its job, which has not run before.
SLOT = _dtype("""
i8: virtual_zero until_ms
i4: last alone
i8: machine job use_m n_tasks
f8: prefix_idle prefix_batch prefix_gpu energy
i8: share press gang_next gang_prev
i8: machine_next machine_prev estimate_end_ms cpu_m memory_mib gpu_m kept_ms use_row
i8: devices
""")
# A place in a machine's heap of jobs: the progress at which something happens, and who it is.
PLACE_IN_HEAP = _dtype("""
i8: key who
""")
# `tried`: the epoch of its lane at which it found no room. A gang had `places` at most; one task
# had none, or only on the machine that was `kept` from it (else NO).
WAIT = _dtype("""
i8: next tried tasks cpu_m memory_mib gpu_m stay_ms kept
i8: estimate_ms types places previous job done_ms key submit_ms
""")
LANE = _dtype("""
i8: head tail n cpu_m memory_mib gpu_m shadow_ms shadow_machine shadow_for heap_n
i8: failed_cpu_m failed_memory_mib failed_gpu_m failed_stay_ms epoch
""")
REPLICA = _dtype("""
i8: since_ms
i8: state service machine devices gen source share
i8: service_prev service_next machine_prev machine_next next_free
f8: use_m gpu_use_m prefix_idle prefix_dynamic prefix_pressed prefix_smt
""")
SERVICE = _dtype("""
i8: cpu_m memory_mib gpu_m startup_ms n_online n_starting n_standby n_pending since_ms
i8: rep_head seen_ms seen_replicas seen_standby seen_pending
i8: n_cutoff cutoff_ms standby_ms keep_ms warm_ms to_spread
f8: load_m use_m energy load_integral shortage_integral seen_load_m seen_integral
""")
CLASS = _dtype("""
i8: priority evictable checkpoint_ms checkpoint_cost_ms types press
""")
DATABASE = _dtype("""
i8: memory_mib short_ms n_up out_ms
f8: cpu_factor energy load_integral shortage_integral
""")
# A replica of a database; `machine` -1: nowhere.
COPY = _dtype("""
i8: database machine share since_ms short down
f8: wanted_m use_m prefix_idle prefix_dynamic
""")
TIMER = _dtype("""
i8: at_ms seq kind who gen
""")
OUTCOME = _dtype("""
i8: start_ms end_ms wasted_ms
f8: energy_j
i4: evictions machine
""")

HELD = _dtype("""
i8: kept_ms released_ms
i4: pauses
""")


class World(NamedTuple):
    """All arrays of one run; shapes in brackets (M machines, S services, K intervals).

    `heap` holds the heaps of all machines' jobs one behind the other.
    """

    w: NDArray[Any]  # SCALARS [1]
    mach: NDArray[Any]  # MACHINE [M]
    slot: NDArray[Any]  # SLOT, running tasks
    wait: NDArray[Any]  # WAIT, waiting jobs
    lane: NDArray[Any]  # LANE [2]: jobs without, with GPUs
    queue: NDArray[np.int64]  # [2, capacity] heaps of the ordered disciplines
    rep: NDArray[Any]  # REPLICA
    svc: NDArray[Any]  # SERVICE [S]
    cls: NDArray[Any]  # CLASS
    timer: NDArray[Any]  # TIMER, a binary heap
    head: NDArray[np.int64]  # [4, LEVELS + 1] first machine of a level
    block: NDArray[np.int64]  # [4, LEVELS / BLOCK + 1] bits: which levels of a block have machines
    most_mib: NDArray[np.int64]  # [4, levels + blocks] free memory of a machine there, at most
    spots: NDArray[np.int64]  # [M, 2] machines that take a gang's tasks, and how many
    freed: NDArray[np.int64]  # [FREED_MAX] machines that waiting jobs have not been tried on
    link: NDArray[Any]  # LINK [2 M]: machines in the online pools, then in the batch pools
    heap: NDArray[Any]  # PLACE_IN_HEAP
    tree: NDArray[np.int64]  # [12, 2 size] most CPU, memory, time left (first-fit, spread)
    next_ms: NDArray[np.int64]  # [M] next event of the machine's jobs
    next_who: NDArray[np.int64]  # [M] whose it is, as in a place of its heap
    tour: NDArray[np.int64]  # [2 x 2^bits] tournament of machines by next_ms
    gpu_free_m: NDArray[np.int64]  # [devices]
    curve: NDArray[np.float64]  # [types, 11] power curve parameters
    load: NDArray[np.int64]  # [S, steps]
    edges: NDArray[np.int64]  # [K + 1]
    energy_mj: NDArray[np.float64]  # [K, groups] millijoules: watts x milliseconds
    machine_ms: NDArray[np.int64]  # [K, groups]
    online_ms: NDArray[np.int64]  # [steps, S] replica-milliseconds online
    short_ms: NDArray[np.int64]  # [steps, S] time in which load reached capacity
    pressed_ms: NDArray[np.float64]  # [steps, S] slow-down by pressure x replica-milliseconds
    smt_ms: NDArray[np.float64]  # [steps, S] slow-down by hyperthreads x replica-milliseconds
    press_curve: NDArray[np.float64]  # [2, points] pressure, slow-down
    out: NDArray[Any]  # OUTCOME [jobs]
    learnt: NDArray[np.int64]  # [sizes, 2] count and sum of finished jobs' durations [ms]
    held: NDArray[Any]  # HELD [jobs]; empty where nobody shifts
    dbs: NDArray[Any]  # DATABASE [D]
    copy: NDArray[Any]  # COPY [R], in rows of their database
    db_cpu_m: NDArray[np.int64]  # [D, steps] of one replica
    db_iops: NDArray[np.int64]  # [D, steps] of one replica


class JobTable(NamedTuple):
    """The columns of model.Jobs that the kernels read."""

    submit_ms: NDArray[np.int64]
    duration_ms: NDArray[np.int64]
    cpu_m: NDArray[np.int32]
    memory_mib: NDArray[np.int32]
    gpu_m: NDArray[np.int32]
    tasks: NDArray[np.int32]
    estimate_ms: NDArray[np.int64]
    job_class: NDArray[np.int32]
    size: NDArray[np.int32]  # row of `learnt`; empty where every job has an estimate
    use_offsets: NDArray[np.int64]
    use_until_ms: NDArray[np.int64]
    use_cpu_m: NDArray[np.int32]
    latest_ms: NDArray[np.int64]  # latest start, -1: may not wait; empty where nobody shifts
