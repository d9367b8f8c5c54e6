"""The worked example's ledger and hourly files: invented, seeded, the same bytes each time.

python -m tests.company DIR     makes DIR/example.ledger and prints how to disclose 2025
python -m tests.company         writes the hourly files of simulations/example-cloud/ anew
python -m tests.company --expected     writes its statement.expected.json anew
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from greensched.accounting import (
    Factors,
    Group,
    MachineFactors,
    SiteFactors,
    Usage,
    account,
    constant_pue,
    rows,
)
from greensched.ledger import Ledger, init_ledger
from greensched.units import J_PER_KWH, MS_PER_H, MS_PER_YEAR
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "simulations" / "example-cloud"
COMPANY = FOLDER / "company.yaml"
EXPECTED = FOLDER / "statement.expected.json"
LEFT_OUT = ("version", "ledger", "inputs")  # what releases and new keys change
YEAR = 2025
START = datetime(YEAR, 1, 1, tzinfo=UTC) - timedelta(hours=8)  # midnight in Shanghai
START_MS = round(START.timestamp()) * 1_000
HOURS = 8_760
SITES = {"hz": (4_600.0, 1.24, 550.0), "bj": (1_250.0, 1.42, 636.0)}  # mean IT kW, PUE, g/kWh
MACHINES = 20_000
WIND_KWH = 24_000_000


def tide(seed: int) -> Any:
    """Return the year's hours of a load around 1: nights, weekends and noise."""
    hours = np.arange(HOURS)
    day = 1 + 0.16 * np.sin((hours % 24 - 9) / 24 * 2 * np.pi)
    week = np.where((hours // 24 + 2) % 7 >= 5, 0.93, 1.03)
    noise = np.random.default_rng(seed).normal(1, 0.02, HOURS)
    shape = day * week * noise
    return shape / shape.mean()


def hourly_files() -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, column and values of the files by the hour."""
    hours = np.arange(HOURS)
    rng = np.random.default_rng(2025)
    season = np.sin((hours / 24 - 80) / 365 * 2 * np.pi)
    light = np.clip(np.sin((hours % 24 - 6) / 12 * np.pi), 0, None) * (1 + 0.35 * season)
    sun = np.rint(2_100 * light * rng.uniform(0.3, 1.0, HOURS)).astype(int)
    yield "pv-hz", "energy_kwh", [str(v) for v in sun]
    gusts = np.clip(np.convolve(rng.normal(0, 1, HOURS + 48), np.ones(49) / 7, "valid"), -1.2, 3)
    wind = np.rint((gusts + 1.2) / (gusts + 1.2).sum() * WIND_KWH).astype(int)
    wind[np.argmax(wind)] += WIND_KWH - int(wind.sum())
    yield "wind-2025", "energy_kwh", [str(v) for v in wind]
    warm = 17 + 12 * season + 4 * np.sin((hours % 24 - 9) / 24 * 2 * np.pi)
    yield "climate-hz", "temperature_c", [f"{v:.1f}" for v in warm + rng.normal(0, 1.5, HOURS)]


def write_hourly_files() -> None:
    """Write the hourly files into the example's folder."""
    for name, column, values in hourly_files():
        times = (START + timedelta(hours=h) for h in range(HOURS))
        lines = [f"{t:%Y-%m-%dT%H},{v}" for t, v in zip(times, values, strict=True)]
        text = "\n".join([f"time_utc,{column}", *lines]) + "\n"
        (FOLDER / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def entries(site: str, run: str, more: float) -> dict[str, list[Any]]:
    """Return the entries of a site's year as columns, `more` times the example's energy."""
    mean_kw, pue, grams = SITES[site]
    edges_ms = MS_PER_H * np.arange(HOURS + 1, dtype=np.int64)
    group = Group(site=site, machine_type="gen8", role="online")
    load = tide(len(site) + ord(site[0]))
    usage = Usage(
        edges_ms=edges_ms,
        groups=(group,),
        energy_j=(load * mean_kw * more * J_PER_KWH)[:, np.newaxis],
        machine_ms=np.full((HOURS, 1), MACHINES * MS_PER_H, np.int64),
    )
    factors = Factors(
        sites=(
            SiteFactors(
                site=site,
                edges_ms=edges_ms[[0, -1]],
                intensity_g_per_kwh=np.array([grams]),
                pue=constant_pue(pue),
                basis="direct",
                factor_id=f"{site}-meter",
                vintage="2025",
            ),
        ),
        machine_types=(
            MachineFactors(
                machine_type="gen8",
                embodied_kg=1_300.0,
                embodied_low_kg=900.0,
                embodied_high_kg=2_100.0,
                lifetime_ms=5 * MS_PER_YEAR,
            ),
        ),
    )
    columns = {name: column.tolist() for name, column in rows(account(usage, factors)).items()}
    return {"run": [run] * len(columns["site"]), **columns}


def records(site: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a site's year: what ran, and beside it its baseline at `hz`."""
    key = hashlib.sha256(f"{site} {YEAR}".encode()).hexdigest()
    about = {"type": "run", "key": key, "name": f"batch runner {site}"}
    yield {**about, "baseline_id": "submit-at-once", "start_utc_ms": START_MS}
    parts = [entries(site, "operated", 1.0)]
    if site == "hz":
        parts.append(entries(site, "baseline", 1.015))
    number = 0
    for part in parts:
        for values in zip(*part.values(), strict=True):
            number += 1
            entry = dict(zip(part, values, strict=True))
            entry["start_utc_ms"] = START_MS + entry.pop("start_ms")
            entry["end_utc_ms"] = START_MS + entry.pop("end_ms")
            yield {"type": "entry", "key": f"{key}/{number}", **entry}


def make_ledger(folder: Path, kind: str = "operated") -> tuple[Path, str]:
    """Make the example's ledger in a folder; return its path and its public key."""
    path, key_file = folder / "example.ledger", folder / "keys" / "example.key"
    made = init_ledger(path, "example.org/cloud", kind, folder.parent / key_file.name)
    with Ledger(path, made.key_file) as ledger:
        for site in SITES:
            ledger.append(list(records(site)))
    return path, made.verifier_key


def disclosed(folder: Path) -> dict[str, Any]:
    """Return the example's statement of 2025, without what releases and new keys change."""
    from click.testing import CliRunner

    from greensched.cli.main import main as greensched

    (folder / "ledger").mkdir()
    path, key = make_ledger(folder / "ledger")
    given = ["--company", str(COMPANY), "--ledger", str(path), "--key", key]
    out = ["--out", str(folder / "out"), "-o", "json"]
    result = CliRunner().invoke(greensched, ["disclose", str(YEAR), *given, *out])
    return kept(json.loads(result.stdout))


def kept(values: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a statement."""
    return {name: value for name, value in values.items() if name not in LEFT_OUT}


def main(arguments: list[str]) -> None:
    """Make the ledger in a folder, the example's hourly files, or its expected statement."""
    if not arguments:
        write_hourly_files()
    elif arguments == ["--expected"]:
        with TemporaryDirectory() as folder:
            values = disclosed(Path(folder))
        text = json.dumps(values, indent=1, ensure_ascii=False, sort_keys=True)
        EXPECTED.write_text(text + "\n", encoding="utf-8")
    else:
        place = Path(arguments[0]) / "ledger"
        place.mkdir(parents=True)
        path, key = make_ledger(place)
        command = f"greensched disclose {YEAR} --company {COMPANY} --ledger {path} --key {key}"
        sys.stdout.write(f"{command}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
