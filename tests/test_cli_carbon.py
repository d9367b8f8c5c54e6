"""`carbon`: what is printed, written and refused, and that no token is ever in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from greensched.providers import files
from tests.carbon.server import Reply, serving
from tests.carbon.worlds import HOUR_MS, NOW_MS, SECRET, World, iso, telling, with_secrets, written
from tests.report_cases import write_scenario
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

FROM = ("--from", "2026-03-01T00:00Z")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache of a test to itself, and name no source in the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GREENSCHED_INTENSITY", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of 30 hours from `FROM` on: 300, 299, ... 271."""
    return written(World(values=tuple(300.0 - i for i in range(30)), zone="DE"), tmp_path)


def test_plan_is_one_line(file: Path) -> None:
    """The advice is one line on stdout; how it came about is on stderr."""
    told = call(
        "carbon",
        "plan",
        "--zone",
        "DE",
        "--duration",
        "2h",
        "--within",
        "12h",
        "--intensity",
        file,
        *FROM,
    )
    assert 0 == told.exit_code, told.stderr
    assert (
        f"DE: start 03-01 10:00Z (in 10 h), end 03-01 12:00Z: 290 g/kWh instead of 300, "
        f"saves 3.3 % ({file.name}, average)\n"
    ) == told.stdout
    assert "what the file holds after now is taken for a forecast" in told.stderr


def test_plan_as_json(file: Path) -> None:
    """The same as a document: start, end, latest start, both intensities, saving, steps."""
    told = call(
        "carbon",
        "plan",
        "--zone",
        "DE",
        "--duration",
        "2h",
        "--within",
        "12h",
        "--intensity",
        file,
        *FROM,
        "-o",
        "json",
    )
    found = json.loads(told.stdout)
    assert ("wait", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T10:00:00Z") == (
        found["decision"],
        found["start"],
        found["end"],
        found["latest_start"],
    )
    assert (289.5, 299.5, 10.0, 10.0 / 299.5) == (
        found["intensity_g_per_kwh"],
        found["intensity_now_g_per_kwh"],
        found["saving_g_per_kwh"],
        found["saving_share"],
    )
    assert [12.0] == [step["filled_h"] for step in found["steps"]]


def test_plan_without_a_source() -> None:
    """Without a source nothing is asked of anybody: the mistake says which there are."""
    told = call("carbon", "plan", "--zone", "GB", "--duration", "2h", "--within", "12h")
    assert (2, "") == (told.exit_code, told.stdout)
    assert "no source is named; --intensity FILE" in told.stderr
    assert "uk-carbon-intensity" in told.stderr


def test_plan_by_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable names sources where the command line does not, in order."""
    monkeypatch.setenv("GREENSCHED_INTENSITY", f"constant:0.1 {file}")
    told = call("carbon", "plan", "--zone", "DE", "--duration", "2h", "--within", "12h", *FROM)
    assert told.stdout.startswith("DE: start now, 0 g/kWh; shifting not assessable")


def test_plan_where_nobody_knows(file: Path) -> None:
    """Where nothing is known the line says so and to run now; that is an answer, not a failure."""
    told = call(
        "carbon",
        "plan",
        "--zone",
        "DE",
        "--duration",
        "2h",
        "--within",
        "12h",
        "--intensity",
        file,
        "--from",
        "2030-01-01T00:00Z",
    )
    assert 0 == told.exit_code
    assert told.stdout.startswith("DE: start now; unknown: run now")
    assert "holds 2026-03-01T00:00:00Z to 2026-03-02T06:00:00Z only" in told.stderr


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--duration", "2", "--within", "12h"), "2 is not a duration|write a number and a unit"),
        (("--duration", "0h", "--within", "12h"), "'0h' is not above 0"),
        (("--duration", "3h", "--within", "2h"), "--within: is shorter than --duration"),
        (("--duration", "1h", "--within", "2h", "--from", "2026-03-01"), "has no offset"),
        (("--duration", "1h", "--within", "2h", "--intensity", "gb"), "no such file or source"),
    ],
)
def test_plan_refuses(file: Path, words: tuple[str, ...], match: str) -> None:
    """Durations have units and sense, times an offset, sources a name: exit code 2."""
    told = call("carbon", "plan", "--zone", "DE", "--intensity", file, *words)
    assert 2 == told.exit_code
    assert re.search(match, told.stderr), told.stderr


def test_show_draws(file: Path) -> None:
    """A line an hour with a bar, the best hours marked and named, and where it is from."""
    told = call("carbon", "show", "--zone", "DE", "--ahead", "6h", "--intensity", file, *FROM)
    lines = told.stdout.splitlines()
    assert f"DE  from 03-01 00:00Z, g/kWh  ({file.name}, average)" == lines[0]
    assert ["300", "299", "298", "297", "296", "295"] == [x.split()[2] for x in lines[1:7]]
    assert [False] * 4 + [True] * 2 == [x.endswith("<- best") for x in lines[1:7]]
    assert "best   03-01 04:00Z to 03-01 06:00Z  296 g/kWh" == lines[7]
    assert any(line.startswith(f"source files {file}: 6 h") for line in lines)


def test_show_long_spans_and_unknown(file: Path) -> None:
    """Of long spans a line is several hours; the part that nobody knows is said."""
    told = call("carbon", "show", "--zone", "DE", "--ahead", "72h", "--intensity", file, *FROM)
    assert "unknown from 03-02 06:00Z on: run now" in told.stdout
    assert len(told.stdout.splitlines()) < 45
    table = call(
        "carbon", "show", "--zone", "DE", "--ahead", "3h", "--intensity", file, *FROM, "-o", "csv"
    ).stdout.splitlines()
    assert "start,intensity_g_per_kwh,status,low_g_per_kwh,high_g_per_kwh" == table[0]
    assert "2026-03-01T02:00:00Z,298.0,forecast,," == table[3]


def test_show_tells_skill_and_band(tmp_path: Path) -> None:
    """A forecast that is made here is shown with its skill against persistence and its band."""
    world = World(
        values=tuple(300.0 + 9 * (i % 24) + i * i % 11 for i in range(720)), past_h=720, zone="DE"
    )
    told = call("carbon", "show", "--zone", "DE", "--intensity", written(world, tmp_path), *FROM)
    assert "hour-of-week forecast made of 30.0 days of history" in told.stdout
    assert re.search(r"skill  24 h ahead: error [\d.]+ %, \S+ [\d.]+ %, skill [+-]", told.stdout)
    assert "90 % of values are promised" in told.stdout
    document = json.loads(
        call(
            "carbon",
            "show",
            "--zone",
            "DE",
            "--intensity",
            written(world, tmp_path),
            *FROM,
            "-o",
            "json",
        ).stdout
    )
    first = document["series"][0]
    assert first["low_g_per_kwh"] < first["intensity_g_per_kwh"] < first["high_g_per_kwh"]
    assert 5 == len(document["skill"])


def test_annual_factors_are_not_assessable() -> None:
    """With an annual factor `show` says that shifting is not assessable; flat hours are flat."""
    told = call("carbon", "show", "--zone", "CN", "--ahead", "3h", "--intensity", "constant:530.6")
    assert "shifting not assessable: an annual factor only" in told.stdout


def test_scenario_with_annual_factors_only(tmp_path: Path) -> None:
    """A scenario whose sites have annual factors says that shifting is not assessable."""
    told = call("run", write_scenario(tmp_path), "--out", tmp_path / "out")
    assert 0 == told.exit_code, told.stderr
    assert "shifting not assessable: an annual factor only" in told.stdout


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
    assert "1 gaps, left as gaps" in done.stderr
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


def test_zones_of_files(file: Path) -> None:
    """Zones of files are listed with span, step and mean."""
    told = call("carbon", "zones", "--time-zone", "UTC", file.parent, "-o", "json")
    (row,) = json.loads(told.stdout)
    assert ("DE", "2026-03-01T00:00:00Z", 1.0, 285.5) == (
        row["zone"],
        row["from"],
        row["step_h"],
        row["mean_g_per_kwh"],
    )


def test_zones_of_clouds(file: Path) -> None:
    """A cloud region's zone and factor are told with year and source; unknown ones are refused."""
    told = call("carbon", "zones", "--cloud", "aws:eu-central-1")
    assert re.search(
        r"aws:eu-central-1 +Frankfurt +DE +275\.82 +2024 +lifecycle +Google", told.stdout
    )
    assert "shifting in time is not assessable" in told.stderr
    told = call("carbon", "zones", "--cloud", "aws:mars-1", "--cloud", "x:y")
    assert (2, "", 2) == (told.exit_code, told.stdout, len(told.stderr.splitlines()))
    assert 2 == call("carbon", "zones", file, "--cloud", "aws:eu-central-1").exit_code
    assert len(call("carbon", "zones", "-o", "csv").stdout.splitlines()) > 90


def test_no_token_in_any_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With -vv, on success and on refusal, no token is on stdout, on stderr or in the cache."""
    with_secrets(monkeypatch)
    world = World(values=tuple(100.0 + i for i in range(30)), zone="DE")
    everything = ""
    for told in telling("electricity-maps", world, tmp_path):
        words = ("--zone", "DE", "--duration", "1h", "--within", "6h", "-vv", "--intensity")
        done = call("carbon", "plan", *words, f"electricity-maps:{told.url}", "-o", "json")
        everything += done.stdout + done.stderr
    with serving(lambda _: Reply(status=401, body={"message": f"bad {SECRET}"})) as server:
        done = call("carbon", "plan", *words, f"electricity-maps:{server.url}")
        everything += done.stdout + done.stderr
    everything += "".join(
        f.read_text(encoding="utf-8") for f in (tmp_path / "cache").rglob("*") if f.is_file()
    )
    assert "bad ***" in everything
    assert SECRET not in everything
