"""From a setting (types, services, jobs) to the arrays that the kernels work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from greensched.engine import paging
from greensched.engine.databases import database_arrays
from greensched.engine.estimates import sizes
from greensched.engine.kernels import layout, memory
from greensched.engine.records import outcomes, records
from greensched.engine.shifting import latest_starts, no_holds
from greensched.errors import Finding, ScenarioError
from greensched.model import (
    NONE,
    OFF,
    ON,
    ROLE_CODES,
    STANDBY_SHARE,
    Discipline,
    JobClass,
    Services,
    Setting,
    Weigher,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Live migration, Liu et al. 2013 (Cluster Computing 16:249-264, doi 10.1007/s10586-011-0194-3):
# E [J] = 0.512 x moved data [MB] + 20.165; the constant is spread over a typical 1 GiB.
MOVE_J_PER_MIB = 0.512 * 1.048576 + 20.165 / 1024
MOVE_MS_PER_MIB = 1.048576 * 8 / 10  # over a 10 Gbit/s network: 0.84 ms a MiB
HEAP_ROOM = 16  # jobs of a machine for which there is room at first
MACHINE_TYPES_MAX = 62  # a machine type is one bit of an int64
DEVICES_MAX = 31


def free_list(array: NDArray[Any], field: str, first: int) -> None:
    """Chain records `first`.. through `field`; the last ends with -1."""
    array[field][first:] = np.arange(first + 1, len(array) + 1)
    array[field][-1] = NONE


def _type_bits(setting: Setting, job_class: JobClass) -> int:
    """Return the bits of the machine types that a class may use; -1: all."""
    if not job_class.machine_types and not job_class.sites:
        return -1
    bits = 0
    for i, kind in enumerate(setting.fleet):
        if job_class.machine_types and kind.name not in job_class.machine_types:
            continue
        if job_class.sites and kind.site not in job_class.sites:
            continue
        bits |= 1 << i
    return bits


def _classes(setting: Setting) -> NDArray[Any]:
    """Return the job classes' record array."""
    classes = setting.jobs.classes if setting.jobs is not None else (JobClass(),)
    rows = records(layout.CLASS, len(classes))
    pressure = dict(setting.interference.pressure)
    for i, c in enumerate(classes):
        rows[i] = (
            c.priority,
            c.evictable,
            c.checkpoint_interval_ms,
            c.checkpoint_cost_ms,
            _type_bits(setting, c),
            round(pressure.get(c.name, 1.0) * layout.PRESS_ONE),
        )
    return rows


def check(setting: Setting) -> None:
    """Raise ScenarioError for what no run can do: too many types, sizes that fit nowhere."""
    findings = []
    if len(setting.fleet) > MACHINE_TYPES_MAX:
        findings.append(
            Finding(
                where="fleet",
                what=f"{len(setting.fleet)} machine types",
                remedy=f"merge them to at most {MACHINE_TYPES_MAX}",
            )
        )
    findings += [
        Finding(
            where=f"fleet {kind.name}",
            what=f"{kind.gpus} GPUs",
            remedy=f"at most {DEVICES_MAX} in a machine",
        )
        for kind in setting.fleet
        if kind.gpus > DEVICES_MAX
    ]
    largest = (
        max((k.cpu_m - k.reserved_cpu_m for k in setting.fleet), default=0),
        max((k.memory_mib - k.reserved_memory_mib for k in setting.fleet), default=0),
        max((k.gpus * 1000 for k in setting.fleet), default=0),
    )
    for what, table in (("job", setting.jobs), ("replica of service", setting.services)):
        if table is None or len(table) == 0:
            continue
        prefix = "" if what == "job" else "replica_"
        sizes = [getattr(table, f"{prefix}{r}") for r in ("cpu_m", "memory_mib", "gpu_m")]
        if all(paging.largest(s) <= most for s, most in zip(sizes, largest, strict=True)):
            continue
        bad = np.flatnonzero(
            (sizes[0] > largest[0]) | (sizes[1] > largest[1]) | (sizes[2] > largest[2])
        )
        if len(bad):
            i = int(bad[0])
            name = table.names[i] if isinstance(table, Services) else f"row {i + 1}"
            findings.append(
                Finding(
                    where=f"{what} {name}",
                    what=f"{sizes[0][i]} millicores, {sizes[1][i]} MiB, {sizes[2][i]} milli-GPUs"
                    f" is larger than every machine ({len(bad)} such)",
                    remedy="add a larger machine type, or drop such jobs with --on-bad=drop",
                )
            )
    if findings:
        raise ScenarioError(*findings)


def machines(setting: Setting) -> NDArray[Any]:
    """Return the machines' record array, in fleet order, all on unless surplus."""
    count = sum(kind.count for kind in setting.fleet)
    mach = records(layout.MACHINE, count)
    at = device = 0
    for i, kind in enumerate(setting.fleet):
        rows = mach[at : at + kind.count]
        rows["machine_type"], rows["power_row"], rows["type_bit"] = i, i, 1 << i
        rows["role"] = ROLE_CODES[kind.role]
        rows["full_cpu_m"], rows["full_memory_mib"] = kind.cpu_m, kind.memory_mib
        rows["cpu_m"] = kind.cpu_m - kind.reserved_cpu_m
        rows["memory_mib"] = kind.memory_mib - kind.reserved_memory_mib
        rows["n_gpus"], rows["gpu_free_m"] = kind.gpus, kind.gpus * 1000
        rows["gpu_base"] = device + kind.gpus * np.arange(kind.count)
        rows["pods_max"], rows["boot_ms"], rows["wake_ms"] = (
            kind.pods_max,
            kind.boot_ms,
            kind.wake_ms,
        )
        rows["iops"] = kind.iops
        rows["power_kind"], rows["idle_w"] = kind.power.curve[0], kind.power.watts(0.0)
        rows["boot_w"], rows["sleep_w"], rows["off_w"] = kind.boot_w, kind.sleep_w, kind.off_w
        rows["gpu_idle_w"], rows["gpu_peak_w"] = kind.gpu_idle_w, kind.gpu_peak_w
        rows["smt_factor"] = kind.smt_factor
        at += kind.count
        device += kind.gpus * kind.count
    if setting.roles is not None:
        own = setting.roles != NONE
        mach["role"][own] = setting.roles[own]
        mach["surplus"] = ~own
    mach["state"] = np.where(mach["surplus"] != 0, OFF, ON)
    mach["empty_since_ms"] = NONE
    mach["stay_until_ms"], mach["stay_ms_max"] = layout.INF, layout.INF
    mach["rate"], mach["rate_f"], mach["use_share"] = layout.RATE_ONE, 1.0, 1.0
    mach["job_head"] = mach["rep_head"] = NONE
    mach["heap_room"], mach["heap_at"] = HEAP_ROOM, HEAP_ROOM * np.arange(len(mach))
    return mach


def _services(setting: Setting) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the services' record array and their load [services, steps]."""
    if setting.services is None:
        return records(layout.SERVICE, 0), np.zeros((0, 1), np.int64)
    table = setting.services
    svc = records(layout.SERVICE, len(table))
    svc["cpu_m"], svc["memory_mib"] = table.replica_cpu_m, table.replica_memory_mib
    svc["gpu_m"], svc["startup_ms"] = table.replica_gpu_m, table.startup_ms
    svc["rep_head"] = NONE
    return svc, np.ascontiguousarray(table.load_cpu_m, dtype=np.int64)


def _scalars(setting: Setting, mach: NDArray[Any], tree_size: int, tour_bits: int) -> NDArray[Any]:
    """Return the one record of scalars."""
    w = records(layout.SCALARS, 1)
    w["edge_next_ms"] = setting.edges_ms[1]
    w["arrivals_until_ms"] = setting.window_ms
    w["load_step"], w["load_next_ms"] = -1, 0
    if setting.services is None:
        w["load_next_ms"] = layout.INF
    else:
        w["load_start_ms"] = setting.services.start_ms
        w["load_step_ms"] = setting.services.step_ms
    w["discipline"] = get_args(Discipline).index(setting.discipline)
    w["weigher"] = get_args(Weigher).index(setting.weigher)
    w["tree_size"], w["tour_bits"] = tree_size, tour_bits
    w["heaps_end"] = HEAP_ROOM * len(mach)
    w["n_on"] = w["n_on_peak"] = int((mach["state"] == ON).sum())
    told = [p.standby_share for p in setting.policies if hasattr(p, "standby_share")]
    w["standby_share"] = max(told, default=STANDBY_SHARE)
    w["batch_sensitivity"] = setting.interference.batch_sensitivity
    w["move_j_per_mib"], w["move_ms_per_mib"] = MOVE_J_PER_MIB, MOVE_MS_PER_MIB
    w["quantum"] = max(1.0, mach["cpu_m"].max() / layout.LEVELS)
    w["gpu_quantum"] = max(1.0, mach["n_gpus"].max() * 1000 / layout.LEVELS)
    return w


def job_table(setting: Setting) -> layout.JobTable:
    """Return the jobs' columns; durations that are not given are learnt where the queue asks."""
    jobs, estimates = setting.jobs, setting.discipline in ("easy-backfill", "shortest-first")
    if jobs is None:
        long, short = np.empty(0, np.int64), np.empty(0, np.int32)
        return layout.JobTable(
            long, long, short, short, short, short, long, short, short, long, long, short, long
        )
    size = np.empty(0, np.int32)
    if estimates and len(jobs) and bool((jobs.estimate_ms == NONE).any()):
        size = sizes(jobs)
    columns = (
        jobs.submit_ms,
        jobs.duration_ms,
        jobs.cpu_m,
        jobs.memory_mib,
        jobs.gpu_m,
        jobs.tasks,
        jobs.estimate_ms,
        jobs.job_class,
        size,
        jobs.use_offsets,
        jobs.use_until_ms,
        jobs.use_cpu_m,
        latest_starts(setting),
    )
    # memory-mapped columns stay mapped; a plain view gives all callers one type
    return layout.JobTable(
        *(
            np.ascontiguousarray(c, memory.JOB_DTYPES[name]).view(np.ndarray)
            for name, c in zip(layout.JobTable._fields, columns, strict=True)
        )
    )


def _pool(dtype: np.dtype[Any], n: int, link: str) -> NDArray[Any]:
    """Return `n` records, all on the free list."""
    array = records(dtype, n)
    free_list(array, link, 0)
    return array


def _links(n: int) -> NDArray[Any]:
    """Return the placement index's links of `n` machines, none of which is in any list."""
    link = records(layout.LINK, 2 * n)
    for field in ("level", "previous", "next"):
        link[field] = NONE
    return link


def _lanes() -> NDArray[Any]:
    """Return the two empty lanes of waiting jobs."""
    lane = records(layout.LANE, 2)
    for field in ("head", "tail", "shadow_for", "shadow_machine"):
        lane[field] = NONE
    for field in ("failed_cpu_m", "failed_memory_mib", "failed_gpu_m", "failed_stay_ms"):
        lane[field] = layout.INF
    return lane


def build(setting: Setting) -> tuple[layout.World, layout.JobTable]:
    """Return the world at its start (no replica placed yet) and the jobs that will arrive."""
    check(setting)
    mach = machines(setting)
    n = len(mach)
    bits = max(1, (n - 1).bit_length())
    tree_size = 1 << bits if setting.weigher in ("first-fit", "spread") else 0
    svc, load = _services(setting)
    groups, told = len(setting.fleet) * layout.ROLES, (load.shape[1] + 1, len(svc))
    table = job_table(setting)
    w = _scalars(setting, mach, tree_size, bits)
    w["tasks_max"] = max(1, paging.largest(table.tasks))
    mach["quantum"], mach["gpu_quantum"] = w["quantum"][0], w["gpu_quantum"][0]
    world = layout.World(
        w=w,
        mach=mach,
        slot=_pool(layout.SLOT, 1024, "machine_next"),
        wait=_pool(layout.WAIT, 1024, "next"),
        lane=_lanes(),
        queue=np.zeros((2, 1024), np.int64),
        rep=_pool(layout.REPLICA, 256, "next_free"),
        svc=svc,
        cls=_classes(setting),
        timer=records(layout.TIMER, 4 * n + 1024),
        head=np.full((layout.POOLS, layout.LEVELS + 1), NONE, np.int64),
        block=np.zeros((layout.POOLS, layout.BLOCKS), np.int64),
        most_mib=np.full((layout.POOLS, layout.LEVELS + 1 + layout.BLOCKS), NONE, np.int64),
        spots=np.zeros((n, 2), np.int64),
        freed=np.zeros(layout.FREED_MAX, np.int64),
        link=_links(n),
        heap=records(layout.PLACE_IN_HEAP, 4 * HEAP_ROOM * n),
        tree=np.full((3 * layout.POOLS, 2 * max(1, tree_size)), NONE, np.int64),
        next_ms=np.full(n, layout.INF, np.int64),
        next_who=np.zeros(n, np.int64),
        tour=np.full(2 << bits, layout.INF),
        gpu_free_m=np.full(int(mach["n_gpus"].sum()), 1000, np.int64),
        curve=np.stack([_padded(kind.power.curve[1]) for kind in setting.fleet]),
        load=load,
        edges=np.ascontiguousarray(setting.edges_ms, np.int64),
        energy_mj=np.zeros((len(setting.edges_ms) - 1, groups)),
        machine_ms=np.zeros((len(setting.edges_ms) - 1, groups), np.int64),
        **{name: np.zeros(told, np.int64) for name in ("online_ms", "short_ms")},
        **{name: np.zeros(told) for name in ("pressed_ms", "smt_ms")},
        press_curve=np.array(setting.interference.curve, np.float64).T.copy(),
        out=outcomes(len(table.submit_ms)),
        learnt=np.zeros((int(table.size.max()) + 1 if len(table.size) else 0, 2), np.int64),
        held=no_holds(len(table.latest_ms)),
        **database_arrays(setting, w),
    )
    return world, table


def _padded(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a power curve's parameters as a row of 11."""
    row = np.zeros(11)
    row[: len(parameters)] = parameters
    return row


def grown(world: layout.World, need_replicas: int = 0) -> layout.World:
    """Return the world with larger pools of records, contents and free lists kept.

    The same world where they are large enough.
    """
    w = world.w[0]
    running, tasks_max = int(w["n_running"]), int(w["tasks_max"])
    replicas = int(w["n_alive"]) + int(w["n_pending"]) + need_replicas
    heaps = int(w["heaps_end"]) + 2 * int(world.mach["heap_room"].max())
    waiting = int(w["n_waiting"]) + int(w["n_held"]) + running
    wait = _grow(world.wait, waiting, "next", world.w, "wait_free")
    larger = {
        "slot": _grow(world.slot, running + tasks_max, "machine_next", world.w, "slot_free"),
        "wait": wait,
        "rep": _grow(world.rep, replicas, "next_free", world.w, "rep_free"),
        "timer": _grow(world.timer, int(w["timer_n"]) + 4 * len(world.mach) + replicas),
        "heap": _grow(world.heap, heaps),
    }
    if all(array is getattr(world, name) for name, array in larger.items()):
        return world
    queue = world.queue
    if queue.shape[1] < len(wait):
        queue = np.zeros((2, len(wait)), np.int64)
        queue[:, : world.queue.shape[1]] = world.queue
    return world._replace(queue=queue, **larger)


MARGIN = 65  # records that any one event may take, and one


def _grow(
    old: NDArray[Any], need: int, link: str = "", w: NDArray[Any] | None = None, free: str = ""
) -> NDArray[Any]:
    """Return `old`, or twice what is needed, the new records in front of the free list."""
    if len(old) >= need + MARGIN:
        return old
    n = 2 * (need + MARGIN)
    new = records(old.dtype, n)
    new[: len(old)] = old
    if w is not None:
        new[link][len(old) :] = np.arange(len(old) + 1, n + 1)
        new[link][-1] = w[free][0]
        w[free] = len(old)
    return new


def more_intervals(world: layout.World, edges: NDArray[np.int64]) -> layout.World:
    """Return the world with usage intervals up to the last of `edges` (which extend its own)."""
    extra = len(edges) - len(world.edges)
    if world.w[0]["edge_next_ms"] == layout.INF and extra > 0:
        world.w["edge_next_ms"] = edges[int(world.w[0]["bucket"]) + 1]
    return world._replace(
        edges=edges,
        energy_mj=np.vstack([world.energy_mj, np.zeros((extra, world.energy_mj.shape[1]))]),
        machine_ms=np.vstack(
            [world.machine_ms, np.zeros((extra, world.machine_ms.shape[1]), np.int64)]
        ),
    )
