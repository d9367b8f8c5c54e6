"""The bundled week and the 28 days before it, as four files in the canonical form.

Trace zero is a Monday, 00:00 local time (UTC+8); day 28, another Monday, starts the scored week.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import UsageError
from greensched.generate.batch import jobs, joined
from greensched.generate.databases import databases
from greensched.generate.grid import HourlyIntensity, intensity
from greensched.generate.online import services
from greensched.model import APART, NONE, Databases, Jobs, Services
from greensched.units import H_PER_DAY, MS_PER_DAY, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

GENERATOR_VERSION: Final = 1
SAMPLE_SEED: Final = 7
ZERO_UTC: Final = "2023-02-05T16:00:00Z"  # 2023-02-06T00:00+08:00, a Monday
HISTORY_DAYS: Final = 28
SAMPLE_DAYS: Final = 35
SURGE_DAY: Final = HISTORY_DAYS + 3  # Thursday of the scored week
INTENSITY_DAYS: Final = SAMPLE_DAYS + 7  # work drains after the window
JOBS_PER_WEEK: Final = 20_000


def sample_services(seed: int = SAMPLE_SEED) -> Services:
    """Return the bundled services: 40 over 35 days, with a surge in the scored week alone."""
    return services(seed, count=40, days=SAMPLE_DAYS, surge_day=SURGE_DAY)


def sample_jobs(seed: int = SAMPLE_SEED) -> Jobs:
    """Return the bundled jobs: 20,000 in each of five weeks, the last of which is scored."""
    weeks = range(SAMPLE_DAYS // 7)
    return joined(
        [
            jobs(
                seed,
                count=JOBS_PER_WEEK,
                days=7,
                start_ms=week * 7 * MS_PER_DAY,
                stream_name=f"jobs of week {week}",
            )
            for week in weeks
        ]
    )


def sample_databases(seed: int = SAMPLE_SEED) -> Databases:
    """Return the bundled databases: 48 over 35 days, a value each half hour."""
    return databases(seed, count=48, days=SAMPLE_DAYS)


def sample_intensity(seed: int = SAMPLE_SEED) -> HourlyIntensity:
    """Return the bundled intensity: three zones, 35 days and a week in which work may drain."""
    return intensity(seed, zones=3, hours=INTENSITY_DAYS * H_PER_DAY)


def write_samples(out: Path, *, seed: int = SAMPLE_SEED) -> tuple[Path, ...]:
    """Write the four sample files into the folder `out` and return their paths.

    Each appears whole or not at all. The same seed, numpy and duckdb give the same bytes; the
    same seed alone gives the same numbers.

    Raises:
        UsageError: `out` cannot be made or written to.
    """
    tables = {
        "online-week": _service_columns(sample_services(seed)),
        "batch-week": _job_columns(sample_jobs(seed)),
        "database-week": _database_columns(sample_databases(seed)),
        "three-zones": _intensity_columns(sample_intensity(seed)),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tuple(
            _write(out / f"{name}.parquet", columns, seed) for name, columns in tables.items()
        )
    except OSError as error:
        raise UsageError(f"{out}: samples cannot be written there: {error}") from error


def _write(path: Path, columns: Mapping[str, NDArray[Any]], seed: int) -> Path:
    """Write `columns` as one Parquet file, -1 in a column named `x?` as an empty cell of `x`."""
    import duckdb

    select = ", ".join(
        f'nullif("{name}", {NONE}) AS {name[:-1]}' if name.endswith("?") else f'"{name}"'
        for name in columns
    )
    facts = {
        "generator": f"greensched.generate {GENERATOR_VERSION}",
        "seed": str(seed),
        "zero_utc": ZERO_UTC,
        "synthetic": "true",
    }
    pairs = ", ".join(f"{key}: '{value}'" for key, value in facts.items())
    scratch = path.with_name(f".{path.name}.part")
    target = str(scratch).replace("'", "''")
    try:
        with duckdb.connect() as connection:
            connection.execute("SET threads = 1")  # one writer: rows and row groups keep order
            connection.register("columns", dict(columns))
            how = (
                "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 19, "
                f"ROW_GROUP_SIZE 1000000, KV_METADATA {{{pairs}}}"
            )
            rows = f"SELECT {select} FROM columns"  # noqa: S608 the names are our own
            connection.execute(f"COPY ({rows}) TO '{target}' ({how})")
        scratch.replace(path)
    except duckdb.IOException as error:
        raise UsageError(f"{path}: cannot be written: {error}") from error
    finally:
        scratch.unlink(missing_ok=True)
    return path


def _service_columns(table: Services) -> dict[str, NDArray[Any]]:
    """Return the canonical columns of services, a row each (service, time)."""
    steps = table.load_cpu_m.shape[1]
    start_s, step_s = table.start_ms // MS_PER_S, table.step_ms // MS_PER_S

    def each(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values, steps)

    return {
        "service": each(np.array(table.names, dtype=object)),
        "time_s": np.tile(np.arange(steps) * step_s + start_s, len(table)),
        "load_cpu_m": table.load_cpu_m.ravel(),
        "replica_cpu_m": each(table.replica_cpu_m),
        "replica_memory_mib": each(table.replica_memory_mib),
        "replica_gpu_m": each(table.replica_gpu_m),
        "replicas": each(table.replicas),
        "replicas_min": each(table.replicas_min),
        "replicas_max?": each(table.replicas_max),
        "startup_s": each(table.startup_ms // MS_PER_S),
        "service_time_ms": each(table.service_time_ms.astype(np.int64)),
    }


def _database_columns(table: Databases) -> dict[str, NDArray[Any]]:
    """Return the canonical columns of databases, a row each (database, time)."""
    steps = table.cpu_m.shape[1]
    start_s, step_s = table.start_ms // MS_PER_S, table.step_ms // MS_PER_S
    apart = np.array(APART, dtype=object)[table.apart]
    return {
        "database": np.repeat(np.array(table.names, dtype=object), steps),
        "time_s": np.tile(np.arange(steps) * step_s + start_s, len(table)),
        "cpu_m": table.cpu_m.ravel(),
        "iops": table.iops.ravel(),
        "memory_mib": np.repeat(table.memory_mib, steps),
        "disk_gib": np.repeat(table.disk_gib, steps),
        "replicas": np.repeat(table.replicas, steps),
        "apart": np.repeat(apart, steps),
    }


def _job_columns(table: Jobs) -> dict[str, NDArray[Any]]:
    """Return the canonical columns of jobs, a row each."""

    def seconds(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(values == NONE, NONE, values // MS_PER_S)

    def of_class(field: str, kind: Any) -> NDArray[Any]:
        values = [getattr(c, field) for c in table.classes]
        return np.array(values, dtype=kind)[table.job_class]

    return {
        "job": np.array([f"job-{n:06d}" for n in range(len(table))], dtype=object),
        "submit_s": seconds(table.submit_ms),
        "duration_s": seconds(table.duration_ms),
        "cpu_m": table.cpu_m,
        "memory_mib": table.memory_mib,
        "gpu_m": table.gpu_m,
        "tasks": table.tasks,
        "estimate_s": seconds(table.estimate_ms),
        "deadline_s?": seconds(table.deadline_ms),
        "class": of_class("name", object),
        "priority": of_class("priority", np.int64),
        "evictable": of_class("evictable", np.bool_),
        "deferrable": of_class("deferrable", np.bool_),
        "max_delay_s?": seconds(of_class("max_delay_ms", np.int64)),
        "interruptible": of_class("interruptible", np.bool_),
        "checkpoint_interval_s": seconds(of_class("checkpoint_interval_ms", np.int64)),
        "checkpoint_cost_s": seconds(of_class("checkpoint_cost_ms", np.int64)),
    }


def _intensity_columns(table: HourlyIntensity) -> dict[str, NDArray[Any]]:
    """Return the canonical columns of intensity, a row each (zone, hour)."""
    zero = datetime.fromisoformat(ZERO_UTC)
    hours = table.g_per_kwh.shape[1]
    stamps = [(zero + timedelta(hours=h)).strftime("%Y-%m-%dT%H:%M:%SZ") for h in range(hours)]
    return {
        "zone": np.repeat(np.array(table.zones, dtype=object), hours),
        "timestamp": np.tile(np.array(stamps, dtype=object), len(table.zones)),
        "carbon_intensity_g_per_kwh": table.g_per_kwh.ravel(),
    }
