"""`carbon limits` and `carbon import`: documents, refusals, files that are read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from greensched.providers import files
from tests.carbon.worlds import HOUR_MS, NOW_MS, World, iso, telling, with_secrets, written
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of 30 hours from 2026-03-01T00:00Z on: 300, 299, ... 271."""
    return written(World(values=tuple(300.0 - i for i in range(30)), zone="DE"), tmp_path)


def test_limits_as_json(tmp_path: Path) -> None:
    """Limits by length, mean and by zone, and in space, as the document that users build on."""
    for zone, low in (("A", 100.0), ("B", 200.0)):
        rows = "".join(f"{iso(NOW_MS + i * HOUR_MS)},{low + i % 2}\n" for i in range(9))
        path = tmp_path / "data" / f"{zone}_x.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"timestamp,carbon_intensity\n{rows}", encoding="utf-8")
    told = call(
        "carbon", "limits", tmp_path / "data", "--length", "1h,2h", "--slack", "1h", "-o", "json"
    )
    found = json.loads(told.stdout)
    assert {"mean", "zones"} == set(found["temporal"])
    # Starts 0 .. 7: every other one saves 1.
    expected = {"length_h": 1, "saving_g_per_kwh": 0.5, "saving_interruptible_g_per_kwh": 0.5}
    assert expected == found["temporal"]["mean"][0] == found["temporal"]["zones"]["B"][0]
    assert [1, 2] == [row["length_h"] for row in found["temporal"]["mean"]]
    spatial = found["spatial"]
    assert (50.0, 50.0) == (
        spatial["one_migration_g_per_kwh"],
        spatial["follow_cleanest_g_per_kwh"],
    )
    text = call("carbon", "limits", tmp_path / "data", "--length", "1h", "--slack", "1h").stdout
    assert "moving once to A saves 50.0 g/kWh, following the cleanest zone every hour 50.0" in text
    table = call("carbon", "limits", tmp_path / "data", "--length", "1h", "-o", "csv").stdout
    assert "zone,length_h,saving_g_per_kwh,saving_interruptible_g_per_kwh" == table.splitlines()[0]


def test_limits_tell_what_counts(tmp_path: Path) -> None:
    """Hours that not all zones have, and the clock of naive times, are told."""
    for zone, hours in (("A", 9), ("B", 6)):
        rows = "".join(f"{iso(NOW_MS + i * HOUR_MS)},{100 + i % 2}\n" for i in range(hours))
        (tmp_path / f"{zone}.csv").write_text(f"timestamp,carbon_intensity\n{rows}", "utf-8")
    told = call("carbon", "limits", tmp_path, "--length", "1h", "--slack", "1h", "-o", "json")
    assert 6 == json.loads(told.stdout)["spatial"]["hours"]
    assert "in space only the 6 hours count that all zones have, of up to 9" in told.stderr
    assert "times without an offset count as UTC" in told.stderr


@pytest.mark.parametrize("length", ["1", "0h", "1.5h", "h", "", "-1h"])
def test_limits_refuse_lengths(file: Path, length: str) -> None:
    """A length is whole hours above 0."""
    told = call("carbon", "limits", file, "--zone", "DE", f"--length={length}")
    assert 2 == told.exit_code
    assert "--length" in told.stderr


def test_limits_of_half_hours_and_days(tmp_path: Path) -> None:
    """Half hours count by their hourly means; a step of a day is refused."""
    rows = "".join(f"{iso(NOW_MS + i * HOUR_MS // 2)},{100 + i}\n" for i in range(20))
    path = tmp_path / "x.csv"
    path.write_text(f"timestamp,carbon_intensity\n{rows}", encoding="utf-8")
    told = call("carbon", "limits", path, "--zone", "GB", "--length", "2h", "-o", "json")
    assert 0.0 == json.loads(told.stdout)["temporal"]["mean"][0]["saving_g_per_kwh"]
    rows = "".join(f"{iso(NOW_MS + i * 24 * HOUR_MS)},{100 + i}\n" for i in range(20))
    path.write_text(f"timestamp,carbon_intensity\n{rows}", encoding="utf-8")
    told = call("carbon", "limits", path, "--zone", "GB", "--length", "2h")
    assert (3, True) == (told.exit_code, "a step of 24 h" in told.stderr)


def test_import_then_read(file: Path, tmp_path: Path) -> None:
    """What is imported is read again with the same values, as CSV and as Parquet."""
    for name in ("out.csv", "out.parquet"):
        told = call(
            "carbon",
            "import",
            "--intensity",
            file,
            "--zone",
            "DE",
            "--until",
            "2026-03-02T00:00Z",
            "--out",
            tmp_path / name,
        )
        assert (0, f"{tmp_path / name}\n") == (told.exit_code, told.stdout), told.stderr
        assert "24 values of 1 zone written" in told.stderr
        series = files.read(tmp_path / name, "DE")
        assert [300.0 - i for i in range(24)] == series.values_g_per_kwh.tolist()
        assert NOW_MS == series.edges_ms[0]
    assert ("DE",) == files.zones(tmp_path / "out.csv")


def test_import_from_a_feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a feed come signal, basis and, as vintage, the day of asking; faults are told."""
    with_secrets(monkeypatch)
    world = World(values=(100.0, None, 0.0, 400.0), past_h=4, zone="CAISO_NORTH")
    for told in telling("watttime", world, tmp_path):
        done = call(
            "carbon",
            "import",
            "--intensity",
            f"watttime:{told.url}",
            "--zone",
            "CAISO_NORTH",
            "--from",
            "2026-02-28T20:00Z",
            "--until",
            "2026-03-01T00:00Z",
            "--out",
            tmp_path / "w.csv",
        )
    assert 0 == done.exit_code, done.stderr
    assert "1 of 4 values null" in done.stderr
    assert "1 of 4 values not above 0" in done.stderr
    assert "1 gap, left open" in done.stderr
    lines = (tmp_path / "w.csv").read_text(encoding="utf-8").splitlines()
    assert 3 == len(lines)
    assert (
        "CAISO_NORTH,2026-02-28T20:00:00Z,100.0,actual,marginal,direct,2026-03-01,false,watttime"
        == (lines[1])
    )


def test_import_refuses(file: Path, tmp_path: Path) -> None:
    """A file of another kind, a source without zone or begin, and nowhere to write are refused."""
    for words, match in (
        (("--intensity", file, "--zone", "DE", "--out", tmp_path / "x.txt"), "neither .csv nor"),
        (("--intensity", file, "--out", tmp_path / "x.csv"), "name one with --zone"),
        (
            ("--intensity", "constant:5", "--zone", "DE", "--out", tmp_path / "x.csv"),
            "needs a begin; --from TIME",
        ),
        (
            (
                "--intensity",
                file,
                "--zone",
                "DE",
                "--from",
                "2026-03-01T00:00Z",
                "--until",
                "2026-02-01T00:00Z",
                "--out",
                tmp_path / "x.csv",
            ),
            "is not after --from",
        ),
        (("--intensity", file, "--zone", "DE", "--out", tmp_path / "n" / "x.csv"), "be written"),
    ):
        told = call("carbon", "import", *words)
        assert (2, True) == (told.exit_code, match in told.stderr), told.stderr
    assert not (tmp_path / "x.csv").exists()


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    """Where nothing is known since a file has a fault, that is told, not taken for an unknown."""
    rows = "".join(f"2023-06-01T{h:02}:00,{100 + h}\n" for h in range(24))
    (tmp_path / "GB.csv").write_text(f"timestamp,carbon_intensity\n{rows}")
    given = ("--zone", "GB", "--intensity", tmp_path / "GB.csv", "--from", "2023-06-01T00:00Z")
    for command in (("show",), ("plan", "--duration", "1h", "--within", "9h")):
        told = call("carbon", *command, *given)
        assert (3, True) == (told.exit_code, "name the time zone: --time-zone UTC" in told.stderr)
        assert 0 == call("carbon", *command, *given, "--time-zone", "UTC").exit_code
        other = call("carbon", *command, *given, "--intensity", "constant:400")
        assert (0, True) == (other.exit_code, "400" in other.stdout)
