"""`carbon`: what is printed, written and refused, and that no token is ever in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.carbon.server import Reply, serving
from tests.carbon.worlds import SECRET, World, telling, with_secrets, written
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


def test_zone_that_is_not_in_the_file(tmp_path: Path) -> None:
    """A zone that a file of zones lacks is a mistake that names the near one, not a gap."""
    path = tmp_path / "wide.csv"
    path.write_text("datetime_utc,CN-EAST,DE\n2026-03-01 00:00,500,300\n", encoding="utf-8")
    told = call(
        *("carbon", "plan", "--zone", "CN-EST", "--duration", "1h", "--within", "2h"),
        *("--intensity", path, *FROM),
    )
    assert (3, "") == (told.exit_code, told.stdout)
    assert "zone 'CN-EST' has no rows; near: CN-EAST" in told.stderr


def test_gaps_are_filled_as_asked(tmp_path: Path) -> None:
    """A gap longer than what is allowed is refused, and held where so much is allowed."""
    world = World(values=(100.0, *[None] * 8, 200.0, 200.0), zone="DE")
    path = written(world, tmp_path)
    words = ("carbon", "limits", path, "--zone", "DE", "--length", "1h", "-o", "json")
    assert 3 == call(*words, "--fill", "hold").exit_code
    told = call(*words, "--fill", "hold:8h")
    assert 0.0 == json.loads(told.stdout)["temporal"]["mean"][0]["saving_g_per_kwh"]
    for bad in ("zero", "hold:8", "hold:0h"):
        assert 2 == call(*words, "--fill", bad).exit_code


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
    assert f"source files {file}: 6 h" in " ".join(told.stdout.split())  # wrapped or not


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
    said = " ".join(told.stdout.split())
    assert "hour-of-week forecast made of 30.0 days of history" in said
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


def test_spans_without_end(file: Path) -> None:
    """A span that no integer holds is refused with its option, and is no crash."""
    given = ("--zone", "DE", "--intensity", file, "--from", "2026-03-01T00:00Z")
    for command in (
        ("plan", "--duration", "1h", "--within", "1e30h"),
        ("plan", "--duration", "1e30h", "--within", "2h"),
        ("show", "--ahead", "101 y"),
    ):
        told = call("carbon", *command, *given)
        assert (2, True) == (told.exit_code, "is over 100 years" in told.stderr)


def test_zones_of_clouds(file: Path) -> None:
    """A cloud region's zone and factor are told with year and source; unknown ones are refused."""
    told = call("carbon", "zones", "--cloud", "aws:eu-central-1")
    rows = [line for line in told.stdout.splitlines() if line.startswith("aws:eu-central-1")]
    assert re.search(r"Frankfurt +DE +275\.82 +2024 +lifecycle.* +Google", " ".join(rows))
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
