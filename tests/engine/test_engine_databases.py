"""Databases in the engine: an hour by hand, a second model on random worlds, what always holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from greensched.engine.kernels.memory import WORLD_DTYPES
from greensched.engine.simulate import Simulation, simulate
from greensched.model import NONE, OFF, Compress, Move, Power
from tests.effort import examples
from tests.engine.database_worlds import Drawn, database_worlds
from tests.engine.worlds import Scripted, machines, numbers, setting
from tests.packing_cases import databases_of
from tests.twin_databases import Databases as Twin

H_MS = 3_600_000
COPY_J = (10 * 1024 + 100) * (0.512 * 1.048576 + 20.165 / 1024)
COPY_MS = int((10 * 1024 + 100) * 0.8388608)


def test_hour_by_hand() -> None:
    """One of two databases moves away at 10 min; energy, shortage and moves are as worked out."""
    # 100 W idle, 0.025 W a millicore. Together they want 5 of machine 0's 4 cores until the copy
    # is complete: each gets 4/5. Then 3 cores on machine 0 and 2 on machine 1.
    table = databases_of([[3_000], [2_000]], memory_mib=100, disk_gib=10)
    move = Move(replicas=numbers(1), to=numbers(1))
    run = simulate(
        setting(
            machines(role="database", count=2),
            window_ms=H_MS,
            databases=table,
            places=numbers(0, 0),
            policies=(Scripted(script=((600_000, (move,)),), period_ms=600_000),),
        )
    )
    crowded_s, rest_s = (600_000 + COPY_MS) / 1000, (3_000_000 - COPY_MS) / 1000
    expected_j = 100.0 * 2 * 3_600 + 100.0 * crowded_s + (75.0 + 50.0) * rest_s + COPY_J
    assert expected_j == pytest.approx(run.usage.energy_j.sum(), rel=1e-12)
    assert ["database"] == [g.role for g in run.usage.groups]
    assert [0.6 * crowded_s, 0.4 * crowded_s] == pytest.approx(
        run.databases.shortage_core_s.tolist()
    )
    assert [600_000 + COPY_MS] * 2 == run.databases.short_ms.tolist()
    assert [10_800.0, 7_200.0] == pytest.approx(run.databases.work_core_s.tolist())
    assert 1 == run.counts["moves"]
    assert COPY_J == pytest.approx(run.move_energy_j)
    assert [0, 1] == run.databases.machine.tolist()
    # a tenth of each machine's memory is theirs, and so of its idle power
    own_j = 10.0 * 3_600 + 60.0 * crowded_s + 75.0 * rest_s
    assert own_j == pytest.approx(run.databases.energy_j[0])


def test_compression_takes_more_cpu_and_less_disk() -> None:
    """10 GiB kept at 0.3 are copied in less time; CPU x 1.05 is what is used from then on."""
    table = databases_of([[2_000]], memory_mib=100, disk_gib=10)
    shrink = Compress(databases=numbers(0), disk_share=0.7, cpu_share=0.05)
    move = Move(replicas=numbers(0), to=numbers(1))
    run = simulate(
        setting(
            machines(role="database", count=2),
            window_ms=H_MS,
            databases=table,
            places=numbers(0),
            policies=(Scripted(script=((1_800_000, (shrink, move)),), period_ms=600_000),),
        )
    )
    copied_j = (3 * 1024 + 100) * (0.512 * 1.048576 + 20.165 / 1024)
    assert copied_j == pytest.approx(run.move_energy_j)
    assert [2.0 * 1_800 + 2.1 * 1_800] == pytest.approx(run.databases.work_core_s.tolist())
    expected_j = 200.0 * 3_600 + 50.0 * 1_800 + 52.5 * 1_800 + copied_j
    assert expected_j == pytest.approx(run.usage.energy_j.sum(), rel=1e-12)


def test_machine_goes_off_once_its_last_replica_has_left() -> None:
    """A machine told to go off while it holds a replica drains, and is off after the copy."""
    table = databases_of([[0]], memory_mib=100, disk_gib=10)
    told = (Move(replicas=numbers(0), to=numbers(1)), Power(machines=numbers(0), to="off"))
    run = simulate(
        setting(
            machines(role="database", count=2, off_w=5.0),
            window_ms=H_MS,
            databases=table,
            places=numbers(0),
            policies=(Scripted(script=((0, told),), period_ms=600_000),),
        )
    )
    spent = {
        g.role: ms for g, ms in zip(run.usage.groups, run.usage.machine_ms.sum(0), strict=True)
    }
    assert {"database": H_MS + COPY_MS, "off": H_MS - COPY_MS} == spent


def test_copies_go_one_after_another() -> None:
    """Two replicas that leave one machine are sent one after the other."""
    table = databases_of([[0], [0]], memory_mib=100, disk_gib=10)
    told = (Move(replicas=numbers(0, 1), to=numbers(1, 2)), Power(machines=numbers(0), to="off"))
    run = simulate(
        setting(
            machines(role="database", count=3),
            window_ms=H_MS,
            databases=table,
            places=numbers(0, 0),
            policies=(Scripted(script=((0, told),), period_ms=600_000),),
        )
    )
    off_ms = run.usage.machine_ms.sum(0)[[g.role == "off" for g in run.usage.groups]]
    assert [H_MS - 2 * COPY_MS] == off_ms.tolist()


def test_batch_and_services_keep_off_machines_for_databases() -> None:
    """A job that only a machine for databases could take waits for ever."""
    from tests.engine.worlds import jobs

    run = simulate(
        setting(
            machines(role="database"), machines(name="b", role="batch", cpu_m=1_000),
            window_ms=H_MS, end="cut", jobs=jobs({"cpu_m": 2_000}, {"cpu_m": 1_000}),
        )
    )  # fmt: skip
    assert [NONE, 0] == run.jobs.start_ms.tolist()


def agree(drawn: Drawn) -> None:
    """Assert that the engine and the slow model tell the same."""
    twin, run = Twin(drawn.setting, drawn.script).run(), simulate(drawn.setting)
    spent: Any = zip(
        run.usage.groups, run.usage.energy_j.sum(0), run.usage.machine_ms.sum(0), strict=True
    )
    found = {(g.machine_type, g.role): (float(j), int(ms)) for g, j, ms in spent}
    assert twin.machine_ms == {key: ms for key, (_, ms) in found.items()}
    assert twin.energy_j == pytest.approx({key: j for key, (j, _) in found.items()}, rel=1e-9)
    out = run.databases
    assert twin.database_j == pytest.approx(out.energy_j.tolist(), rel=1e-9, abs=1e-6)
    assert twin.work_core_s == pytest.approx(out.work_core_s.tolist(), rel=1e-9, abs=1e-9)
    assert twin.shortage_core_s == pytest.approx(out.shortage_core_s.tolist(), rel=1e-9, abs=1e-6)
    assert twin.short_ms == out.short_ms.tolist()
    assert twin.move_energy_j == pytest.approx(run.move_energy_j, rel=1e-9)
    counts = {name: getattr(twin, name) for name in ("moves", "rejected", "power_cycles")}
    assert counts == {name: run.counts[name] for name in counts}
    assert (twin.outages, twin.out_ms) == (run.outages.outages, run.outages.database_ms)


@settings(max_examples=examples(150))
@given(database_worlds())
def test_twin_agrees_on_databases(drawn: Drawn) -> None:
    """Engine and a slow model agree on energy, shortage, moves and refusals of random scripts."""
    agree(drawn)


class Held(Simulation):
    """A run that looks at its databases whenever the control plane looks at it."""

    def _advance(self, until_ms: int, *, closing: bool = False) -> None:
        """Advance, then check."""
        super()._advance(until_ms, closing=closing)
        hosting, world = getattr(self, "_hosting", None), self.world
        if hosting is None:
            return
        for m, b in enumerate(world.mach):
            here = np.flatnonzero((world.copy["machine"] == m) | (hosting.to == m))
            rows = hosting.database[here]
            assert len(here) == b["n_reps"]
            assert hosting.table.memory_mib[rows].sum() == b["online_memory_mib"]
            assert b["online_memory_mib"] <= b["memory_mib"]
            assert hosting.stored_gib[rows].sum() <= hosting.disk_gib[m]
            assert b["online_use_m"] <= b["cpu_m"]
            if b["state"] == OFF:
                assert len(here) == 0
        self.apart(hosting)

    def apart(self, hosting: Any) -> None:
        """Check that no two replicas of a database share what they may not."""
        for d, rule in enumerate(hosting.table.apart):
            own = hosting.database == d
            for held in (self.world.copy["machine"][own], hosting.to[own]):
                groups = hosting.group[rule][held[held != NONE]]
                assert len(groups) == len(set(groups.tolist()))


@settings(max_examples=examples(60))
@given(database_worlds())
def test_databases_are_within_capacity_and_apart(drawn: Drawn) -> None:
    """Memory and disk are never promised twice, replicas are apart, none is on what is off."""
    Held(drawn.setting).finish()


@settings(max_examples=examples(60))
@given(database_worlds())
def test_energy_of_databases_is_conserved(drawn: Drawn) -> None:
    """Databases take at most what their machines took, and all that they wanted is counted."""
    run, table = simulate(drawn.setting), drawn.setting.databases
    assert table is not None
    assert (run.databases.energy_j >= 0).all()
    assert run.databases.energy_j.sum() <= run.usage.energy_j.sum() * (1 + 1e-9)
    last = table.cpu_m.shape[1] - 1
    at = np.minimum(np.arange(drawn.setting.window_ms // 60_000) // 7, last)
    wanted = table.cpu_m[:, at].sum(axis=1) * table.replicas * 60.0 / 1000
    assert (run.databases.work_core_s >= wanted * (1 - 1e-9)).all()
    assert (run.databases.work_core_s <= 1.1 * wanted * (1 + 1e-9)).all()
    assert (run.databases.shortage_core_s <= run.databases.work_core_s * (1 + 1e-9)).all()


def test_world_names_every_array() -> None:
    """The book has a row for each of the databases' arrays, in the order of the world."""
    assert ["dbs", "copy", "db_cpu_m", "db_iops"] == list(WORLD_DTYPES)[-4:]
