"""Seeded sample traces, fitted to published figures; the same numbers on every machine.

Each is a pure function of its seed: `services` (online.py), `jobs` and `uniform_jobs` (batch.py),
`databases` (databases.py), `intensity` (grid.py); samples.py writes the four bundled files and
figures.py measures what they achieve. `docs/reference/samples.md` says what each was fitted to.
"""

from __future__ import annotations

from greensched.generate.batch import jobs, uniform_jobs
from greensched.generate.databases import databases
from greensched.generate.grid import HourlyIntensity, intensity
from greensched.generate.online import services
from greensched.generate.samples import (
    GENERATOR_VERSION,
    SAMPLE_SEED,
    ZERO_UTC,
    sample_databases,
    sample_intensity,
    sample_jobs,
    sample_services,
    write_samples,
)

__all__ = [
    "GENERATOR_VERSION",
    "SAMPLE_SEED",
    "ZERO_UTC",
    "HourlyIntensity",
    "databases",
    "intensity",
    "jobs",
    "sample_databases",
    "sample_intensity",
    "sample_jobs",
    "sample_services",
    "services",
    "uniform_jobs",
    "write_samples",
]
