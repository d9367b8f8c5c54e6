"""Generated databases: the same for a seed, valid for any, as used as published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greensched import generate
from greensched.errors import UsageError
from greensched.generate.figures import database_figures
from greensched.model import BY_RACK, Databases
from greensched.policies.packing import (
    Room,
    Terms,
    case_of,
    is_feasible,
    lower_bound,
    machines_used,
    one_each,
    sum_of_peaks,
)
from greensched.policies.repacking import consolidated
from greensched.readers import canonical
from greensched.readers.bundled import bundled_path
from greensched.readers.options import ReadOptions
from tests.effort import examples

COLUMNS = ("cpu_m", "iops", "memory_mib", "disk_gib", "replicas", "apart")


def database_bytes(table: Databases) -> bytes:
    """Return names and every column as bytes."""
    return repr(table.names).encode() + b"".join(getattr(table, c).tobytes() for c in COLUMNS)


def test_same_seed_same_bytes() -> None:
    """The same seed gives the same databases, byte for byte, and another seed others."""
    first = database_bytes(generate.databases(7))
    assert first == database_bytes(generate.databases(7))
    assert first == database_bytes(generate.sample_databases())
    assert first != database_bytes(generate.databases(8))


def test_bundled_file_reads_back() -> None:
    """The bundled file, read by the canonical reader, holds what the seed gives."""
    trace = canonical.read([bundled_path("database-week")], ReadOptions())
    made, found = generate.sample_databases(), trace.databases
    assert found is not None
    assert (made.names, made.start_ms, made.step_ms) == (
        found.names,
        found.start_ms,
        found.step_ms,
    )
    assert database_bytes(made) == database_bytes(found)
    assert trace.synthetic
    assert generate.ZERO_UTC == trace.zero_utc


def test_bundled_file_is_small() -> None:
    """The bundled databases take less than 150 kB."""
    assert 150_000 > Path(bundled_path("database-week")).stat().st_size


def test_servers_are_as_little_used_as_published_ones() -> None:
    """A replica alone uses less than 4 % of a server of 16 cores; peaks do not coincide."""
    figures = database_figures(generate.sample_databases())
    assert 3.7 == pytest.approx(figures["database_use_mean_percent"], abs=0.05)
    assert 1.99 == pytest.approx(figures["database_sum_of_peaks_over_peak_of_sum"], abs=0.01)


def test_consolidation_is_within_the_published_range() -> None:
    """144 servers of one replica become 24 by sums of peaks and 13 by peaks of sums: 11 to 1."""
    ones = np.ones(144, np.int64)
    room = Room(
        cpu_m=ones * 16_000, iops=ones * 40_000, memory_mib=ones * 131_072, disk_gib=ones * 8_000,
        rack=np.arange(144) % 6, site=ones * 0,
    )  # fmt: skip
    case = case_of(generate.sample_databases(), room, Terms())
    plan = consolidated(case)
    assert is_feasible(case, plan)
    assert (144, 24, 13, 12) == (
        machines_used(one_each(case)),
        machines_used(sum_of_peaks(case)),
        machines_used(plan),
        lower_bound(case),
    )
    assert 5.5 <= 144 / machines_used(plan) <= 17


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 2**63), count=st.integers(1, 120), days=st.integers(1, 9))
def test_databases_are_valid_for_any_seed(seed: int, count: int, days: int) -> None:
    """Any databases are sorted by name, take something at all times, and have three replicas."""
    table = generate.databases(seed, count=count, days=days)
    assert count == len(table) == len(set(table.names))
    assert sorted(table.names) == list(table.names)
    assert (count, days * 48) == table.cpu_m.shape == table.iops.shape
    assert table.cpu_m.min() > 0
    assert table.iops.min() >= 0
    assert table.memory_mib.min() >= 2_048
    assert table.disk_gib.min() >= 4
    assert {3} == set(table.replicas.tolist())
    assert {BY_RACK} == set(table.apart.tolist())


@pytest.mark.parametrize("wrong", [{"count": 0}, {"days": 0}, {"step_s": 7}, {"seed": -1}])
def test_what_cannot_be_made_is_refused(wrong: dict[str, int]) -> None:
    """No databases, no days, a step beside the hour and a negative seed are refused."""
    with pytest.raises(UsageError):
        generate.databases(**{"seed": 1, **wrong})
