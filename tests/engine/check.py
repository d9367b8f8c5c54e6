"""What holds of the engine's arrays at any instant between two events, checked from lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.engine import result
from greensched.engine.kernels import layout
from greensched.engine.simulate import Simulation
from greensched.model import BOOTING, LENT, NONE, OFF, OUT, OWN, ROLE_CODES, SLEEPING

if TYPE_CHECKING:
    from greensched.engine.kernels.layout import World
    from greensched.model import Setting

RESTING = {OFF, SLEEPING, BOOTING, OUT}


def _chain(records: Any, first: int, link: str) -> list[int]:
    """Return the numbers of a linked list."""
    found = []
    while first >= 0:
        found.append(int(first))
        assert len(found) <= len(records), f"{link} runs in a circle"
        first = records[link][first]
    return found


def _sum(rows: Any, name: str) -> Any:
    """Return the sum of a column of few rows, which numpy takes long for."""
    return sum(rows[name].tolist())


def _machine(world: World, m: int) -> None:
    """Check that machine m's sums are those of what is on it, and within its capacity (I-03)."""
    b = world.mach[m]
    tasks = world.slot[_chain(world.slot, b["job_head"], "machine_next")]
    replicas = world.rep[_chain(world.rep, b["rep_head"], "machine_next")]
    standby = replicas["state"] == layout.A_STANDBY
    size = world.svc[replicas["service"]]
    asleep, awake = size[standby], size[~standby]
    standby_share = float(world.w["standby_share"][0])
    kept_mib = sum(int(mib * standby_share) for mib in asleep["memory_mib"].tolist())
    expected = {
        "n_jobs": _sum(tasks, "n_tasks"),
        "n_reps": len(awake),
        "n_standby": len(asleep),
        "batch_cpu_m": _sum(tasks, "cpu_m"),
        "batch_memory_mib": _sum(tasks, "memory_mib"),
        "batch_use_m": _sum(tasks, "use_m"),
        "batch_gpu_m": _sum(tasks, "gpu_m"),
        "online_cpu_m": _sum(awake, "cpu_m"),
        "online_memory_mib": _sum(awake, "memory_mib") + kept_mib,
        "share_sum": _sum(tasks, "share") + _sum(replicas[~standby], "share"),
    }
    assert expected == {name: b[name] for name in expected}
    assert abs(_sum(replicas, "use_m") - b["online_use_m"]) <= 1e-6
    assert b["online_cpu_m"] <= b["cpu_m"]
    assert b["batch_cpu_m"] <= b["cpu_m"]
    assert b["online_memory_mib"] + b["batch_memory_mib"] <= b["memory_mib"]
    assert b["pods_max"] == 0 or b["n_jobs"] + b["n_reps"] <= b["pods_max"]
    devices = world.gpu_free_m[b["gpu_base"] : b["gpu_base"] + b["n_gpus"]]
    assert all(0 <= free_m <= 1000 for free_m in devices.tolist())
    held_m = _sum(tasks, "gpu_m") + _sum(awake, "gpu_m")
    assert sum(devices.tolist()) == b["gpu_free_m"] == 1000 * b["n_gpus"] - held_m
    if b["state"] in RESTING:  # I-02: no work on a machine that is off or out
        assert len(tasks) + len(replicas) == 0
    if b["lending"] == LENT:  # I-23: never lent and serving at once
        assert b["n_reps"] == 0
    if b["lending"] != OWN:
        assert b["state"] not in RESTING
    if b["surplus"]:
        assert b["state"] == OFF
    if len(tasks):
        assert len(tasks) == b["heap_n"] <= b["heap_room"]
        places = world.heap[b["heap_at"] :][: len(tasks)]
        assert places["key"].min() == places["key"][0]
        slots = places["who"] & ((1 << layout.SLOT_BITS) - 1)
        assert (world.slot["job"][slots] == places["who"] >> layout.SLOT_BITS).all()
        assert (world.slot["machine"][slots] == m).all()
        assert world.next_who[m] == places["who"][0]
        assert world.next_ms[m] >= world.w["now_ms"][0]


def _index(world: World) -> None:
    """Check that each machine hangs in the list of its level of free capacity only."""
    n = len(world.mach)
    for pool in range(4):
        online, gpu = pool < layout.P_BATCH, pool % 2 == 1
        link = world.link[:n] if online else world.link[n:]
        found = {
            m: level
            for level in np.flatnonzero(world.head[pool] != NONE).tolist()
            for m in _chain(link, world.head[pool, level], "next")
        }
        level = link["level"]
        belongs = np.flatnonzero((level >= 0) & ((world.mach["n_gpus"] > 0) == gpu))
        assert {int(m): int(level[m]) for m in belongs} == found
        for m in found if pool == layout.P_ONLINE else ():  # each is where its free CPU says
            free_m = int(world.mach["cpu_m"][m] - world.mach["online_cpu_m"][m])
            assert min(layout.LEVELS, int(free_m / world.mach["quantum"][m])) == found[m]
        blocks = [0] * world.block.shape[1]
        for k in set(found.values()):
            blocks[k // layout.BLOCK] |= 1 << (k % layout.BLOCK)
        assert blocks == world.block[pool].tolist()
        _most_memory(world, pool, found)


def _most_memory(world: World, pool: int, found: dict[int, int]) -> None:
    """Check that no machine has more free memory than is told of its level and block."""
    most_mib, left_mib = world.most_mib[pool], _left_mib(world, pool)
    for m, level in found.items():
        assert left_mib[m] <= most_mib[level]
        assert left_mib[m] <= most_mib[layout.LEVELS + 1 + level // layout.BLOCK]


def _left_mib(world: World, pool: int) -> Any:
    """Return the memory [MiB] that work of a pool may still reserve on each machine."""
    mach = world.mach
    left_mib = mach["memory_mib"] - mach["online_memory_mib"]
    if pool >= layout.P_BATCH:
        online = (mach["role"] == ROLE_CODES["online"]) | (mach["n_reps"] > 0)
        limited = (mach["lending"] == OWN) & (mach["role"] != ROLE_CODES["batch"]) & online
        left_mib = np.where(limited, np.minimum(left_mib, mach["limit_memory_mib"]), left_mib)
    return left_mib - mach["batch_memory_mib"]


def _trees(world: World) -> None:
    """Check that what searches descend by is what machines have, and most is on top."""
    size = int(world.w["tree_size"][0])
    mach, now_ms = world.mach, int(world.w["now_ms"][0])
    for pool in range(layout.POOLS) if size else ():
        cpu, mib, ms = world.tree[pool :: layout.POOLS]
        able = np.flatnonzero(cpu[size : size + len(mach)] > 0)
        assert (mib[size + able] == _left_mib(world, pool)[able]).all()
        lent = able[mach["lending"][able] == LENT] if pool >= layout.P_BATCH else able[:0]
        lent = lent[mach["role"][lent] != ROLE_CODES["batch"]]
        assert (ms[size + lent] >= mach["stay_until_ms"][lent] - now_ms).all()
        for tree in (cpu, mib, ms):
            pairs = tree[2 : 2 * size].reshape(-1, 2)
            assert (tree[1:size] == pairs.max(axis=1)).all()


def _held(world: World) -> None:
    """Check that what is held neither waits nor runs, and has not ended."""
    held = np.flatnonzero(world.held["kept_ms"] != NONE)
    assert len(held) == world.w["n_held"][0]
    running = [_chain(world.slot, m["job_head"], "machine_next") for m in world.mach]
    slots = np.array([s for chain in running for s in chain], np.int64)
    waiting = result.waiting(world)["job"]
    assert not np.isin(held, np.concatenate([world.slot["job"][slots], waiting])).any()
    assert (world.out["end_ms"][held] == NONE).all()


def check_world(world: World) -> None:
    """Assert all that must hold of a world between two events."""
    for m in range(len(world.mach)):
        _machine(world, m)
    _index(world)
    _trees(world)
    w = world.w[0]
    assert w["to_spread"] == 0
    state = world.rep["state"][: w["n_reps"]]
    alive = state != layout.A_FREE
    assert alive.sum() == w["n_alive"]
    for name, code in (
        ("n_online", layout.A_ONLINE),
        ("n_starting", layout.A_STARTING),
        ("n_standby", layout.A_STANDBY),
        ("n_cutoff", layout.A_CUTOFF),
    ):
        count = np.bincount(
            world.rep["service"][: len(state)][state == code], minlength=len(world.svc)
        )
        assert count.tolist() == world.svc[name].tolist()
    assert world.svc["n_pending"].sum() == w["n_pending"]
    assert world.mach["n_jobs"].sum() == w["n_running"]
    assert world.lane["n"].sum() == w["n_waiting"]
    _held(world)
    on = ~np.isin(world.mach["state"], (OFF, SLEEPING, OUT))
    assert on.sum() == w["n_on"]
    assert (world.mach["state"] == OUT).sum() == w["n_out"]
    bits, ahead = int(w["tour_bits"]), enumerate(world.next_ms.tolist())
    keys = [(ms << bits) + m for m, ms in ahead if ms < layout.INF >> bits]
    assert min(keys, default=layout.INF) == world.tour[1]


class Checked(Simulation):
    """A run that checks its world whenever the control plane looks at it."""

    checks = 0
    tidal = False

    def _advance(self, until_ms: int, *, closing: bool = False) -> None:
        """Advance, then check."""
        super()._advance(until_ms, closing=closing)
        check_world(self.world)
        self.checks += 1
        table = self.setting.services
        if table is not None and self.checks > 2:
            self._replicas_within_limits(self.setting)

    def _replicas_within_limits(self, setting: Setting) -> None:
        """I-24: replicas wanted are within each service's least and most."""
        svc, table = self.world.svc, setting.services
        assert table is not None
        wanted = svc["n_online"] + svc["n_starting"] + svc["n_pending"]
        assert (wanted + svc["n_standby"] >= table.replicas_min).all()
        if not self.tidal:  # what comes back from standby is more than wanted until the next wake
            most = np.where(table.replicas_max == NONE, wanted, table.replicas_max)
            assert (wanted <= most).all()
