"""`greensched shift --site`: where jobs may also run, what moving takes, what it does to sites."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

MOVING = ("--data", "10 GiB", "--transfer-energy", "0.0001 kWh/GiB", "--transfer-rate", "10 MB/s")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return eight jobs and two days of three zones: the home, a cleaner one, a dirtier one."""
    rows = [f"{i % 4},{1 + i % 3},{1 + i % 2}" for i in range(8)]
    (tmp_path / "jobs.csv").write_text("arrival_time,length,cpus\n" + "\n".join(rows) + "\n")
    lines = [
        f"2023-01-0{1 + h // 24}T{h % 24:02}:00,{300 + 20 * (h * 7 % 13)},{200 + h % 5},900"
        for h in range(48)
    ]
    (tmp_path / "grid.csv").write_text("timestamp,DE,FR,PL\n" + "\n".join(lines) + "\n")
    return tmp_path


def shift(files: Path, *more: str) -> Any:
    """Call `shift` on the files, at home in DE."""
    given = ("--time-unit", "h", "--intensity", files / "grid.csv", "--from", "2023-01-01T00:00Z")
    return call("shift", files / "jobs.csv", *given, "--zone", "DE", "--policy", "no-wait", *more)


def told(files: Path, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rows of no-wait and of the plan in space."""
    found = shift(files, "-o", "json", *more)
    assert 0 == found.exit_code, found.stderr
    base, row = json.loads(found.stdout)
    assert ("no-wait", "plan-sites") == (base["policy"], row["policy"])
    return base, row


def test_sites_and_moving_sum_to_the_change(files: Path) -> None:
    """I-32: what each site's load changes and what moving emits sum to the saving of all."""
    base, row = told(files, "--site", "FR", "--site", "PL", *MOVING)
    for one, other in ((row, base), (row["capacity"], base["capacity"])):
        change_g = sum(site["change_g"] for site in one["sites"]) + one["moving_g"]
        assert pytest.approx(one["carbon_g"] - other["carbon_g"]) == change_g
        jobs = {site["zone"]: site["jobs"] for site in one["sites"]}
        assert (8, 0) == (sum(jobs.values()), jobs["PL"])
        assert one["moved"] == jobs["FR"]
        assert one["moving_g"] > 0
    assert row["normalised"] < 0.9
    assert row["share_captured"] == pytest.approx(1)


def test_data_takes_its_time(files: Path) -> None:
    """10 GiB at 10 MB/s are on their way for 18 minutes, so who moved waits as long at least."""
    _, row = told(files, "--site", "FR", *MOVING)
    _, at_once = told(files, "--site", "FR")
    assert 0 == at_once["moving_g"]
    assert row["mean_wait_h"] >= at_once["mean_wait_h"] + 0.2


def test_allowed_sites_by_queue(files: Path) -> None:
    """Jobs of a queue that may go nowhere stay at home; a queue that is not named may move."""
    queues = ("--queue", "short:2h:6h", "--queue", "long::24h", "--site", "FR")
    _, row = told(files, *queues, "--allowed", "short:")
    short = sum(1 + i % 3 < 2 for i in range(8))
    assert 8 - short == row["moved"]
    _, row = told(files, *queues, "--allowed", "short:FR", "--allowed", "long:")
    assert short == row["moved"]
    wrong = shift(files, *queues, "--allowed", "lang:FR")
    assert (2, True) == (wrong.exit_code, "no queue lang; queues: short, long" in wrong.stderr)


def test_caps_of_sites(files: Path) -> None:
    """Under caps a site keeps to its own, or to as many cores as there are at home."""
    _, row = told(files, "--site", "FR:2", "--capacity", "3", "--queue", "all::2h")
    home, there = row["capacity"]["sites"]
    assert 2 == there["peak_cores"]
    assert 0 < home["peak_cores"] <= 3
    _, row = told(files, "--site", "FR", "--capacity", "3")
    assert 3 == row["capacity"]["sites"][1]["peak_cores"]


def test_forecast_of_sites(files: Path) -> None:
    """With a forecast each site is seen by it and accounted by what came; the oracle is beside."""
    text = (files / "grid.csv").read_text().replace("DE,FR,PL", "DE,PL,FR")
    (files / "wrong.csv").write_text(text)
    _, row = told(files, "--site", "FR", "--site", "PL", "--forecast", str(files / "wrong.csv"))
    assert row["carbon_g"] > row["oracle_g"]
    assert 8 == next(site["jobs"] for site in row["sites"] if site["zone"] == "PL")


def test_forms(files: Path) -> None:
    """Table and Markdown have a part for the sites, CSV their figures as columns."""
    text = shift(files, "--site", "FR").stdout
    assert "plan-sites without caps: 8 jobs moved" in text
    assert "plan-sites under each site's cap" in text
    assert 4 == shift(files, "--site", "FR", "-o", "md").stdout.count("| --- |")
    base, row = csv.DictReader(io.StringIO(shift(files, "--site", "FR", "-o", "csv").stdout))
    assert ("", "8") == (base["FR_jobs"], row["FR_jobs"])
    assert float(row["capacity_FR_peak_cores"]) > 0


def test_mistakes_of_all_options_at_once(files: Path) -> None:
    """What cannot be is told of every option together, with remedies."""
    wrong = shift(
        files,
        *("--site", "DE", "--site", "FR:x", "--site", "FR", "--site", ":3", "--data", "3"),
        *("--transfer-energy", "1 kWh", "--transfer-rate", "0 MB/s", "--allowed", "all"),
        *("--allowed", "all:SE", "--tick", "5"),
    )
    assert 2 == wrong.exit_code
    for part in (
        "--site DE: is the home already",
        "--site FR:x: 'x' is no number of cores above 0, or too large; such as FR, or FR:200",
        "--site FR: is there twice",
        "--site :3: names no zone",
        "--data 3: '3' is not a size",
        "--transfer-energy 1 kWh",
        "--transfer-rate 0 MB/s: must be above 0",
        "--allowed all: is not QUEUE:ZONE,..",
        "--allowed all:SE: SE is no --site",
        "--tick 5",
    ):
        assert part in wrong.stderr, part
    lonely = shift(files, "--data", "3 GiB", "--allowed", "all:")
    assert "--data, --allowed: without --site; name a site" in lonely.stderr
    twice = shift(files, "--site", "FR", "--allowed", "all:FR", "--allowed", "all:")
    assert "--allowed all:: is there twice" in twice.stderr
    homeless = call(
        *("shift", files / "jobs.csv", "--time-unit", "h", "--intensity", "constant:400"),
        *("--from", "2023-01-01", "--site", "FR"),
    )
    assert (2, True) == (homeless.exit_code, "--site: needs the home's zone" in homeless.stderr)
    gone = shift(files, "--site", "SE")
    assert (3, True) == (gone.exit_code, "zone 'SE' has no rows" in gone.stderr)
