"""`greensched shift` and `greensched reproduce`: what a person sees, and what a program reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.carbon.server import serving
from tests.carbon.worlds import World, iso, uk_carbon_intensity
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

KEYS = (
    *("policy", "carbon_g", "normalised", "mean_wait_h", "p95_wait_h", "peak_cores", "late"),
    *("cost", "bound_g", "share_captured", "capacity"),
)
PUBLISHED = {
    *("no-wait", "lowest-slot", "lowest-window", "carbon-time", "wait-awhile", "ecovisor"),
    *("next-workday", "semi-weekly", "plan"),
}
ZONES = ("DE", "GB", "FR")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with eight jobs and two days of hourly intensity."""
    rows = [f"{i % 4},{1 + i % 3},{1 + i % 2}" for i in range(8)]
    (tmp_path / "jobs.csv").write_text("arrival_time,length,cpus\n" + "\n".join(rows) + "\n")
    lines = [
        f"2023-01-0{1 + h // 24}T{h % 24:02}:00,{300 + 20 * ((h * 7) % 13)}" for h in range(48)
    ]
    (tmp_path / "DE.csv").write_text("timestamp,carbon_intensity\n" + "\n".join(lines) + "\n")
    return tmp_path


def shift(files: Path, *more: str, intensity: str = "DE.csv") -> Any:
    """Call `shift` on the files, from the start of 2023."""
    source = str(files / intensity) if intensity.endswith(".csv") else intensity
    given = ("--time-unit", "h", "--intensity", source, "--from", "2023-01-01T00:00Z")
    return call("shift", files / "jobs.csv", *given, "--zone", "DE", *more)


def test_json_is_a_list_of_rows(files: Path) -> None:
    """`-o json` is one row a policy, all registered ones by default, with their keys."""
    told = shift(files, "-o", "json")
    assert 0 == told.exit_code, told.stderr
    rows = json.loads(told.stdout)
    assert PUBLISHED == {row["policy"] for row in rows}
    for row in rows:
        assert set(KEYS) <= set(row)
        assert {"cores", *KEYS} - {"policy", "capacity"} <= set(row["capacity"])


def test_a_query_that_no_source_takes_is_refused(files: Path) -> None:
    """A file takes no --query: who gives one meant another source."""
    told = shift(files, "--query", "x", "--policy", "plan")
    assert 2 == told.exit_code
    assert "--query x: no source takes one; name prometheus:URL" in told.stderr


def test_policy_and_compare_choose_rows(files: Path) -> None:
    """--policy and --compare name policies, in that order, each once."""
    told = shift(files, "--policy", "plan", "--compare", "no-wait,plan", "-o", "json")
    assert ["plan", "no-wait"] == [row["policy"] for row in json.loads(told.stdout)]
    assert 9 == len(json.loads(shift(files, "--compare", "all", "-o", "json").stdout))


def test_table_shows_both_results(files: Path) -> None:
    """The table has a part without a cap and one with; what was assumed is told on stderr."""
    told = shift(files, "--policy", "plan", "--price-on-demand", "0.06 EUR/h")
    assert "without a cap on cores, against no-wait" in told.stdout
    assert "cores, against no-wait there" in told.stdout
    assert all(head in told.stdout for head in ("saved %", "captured %", "p95 h", "late", "cost"))
    assert "8 jobs, zone DE" in told.stderr
    assert "the future is known to all policies" in told.stderr
    assert max(map(len, told.stdout.splitlines())) <= 110


@pytest.mark.parametrize("form", ["csv", "md"])
def test_other_forms(files: Path, form: str) -> None:
    """CSV has a row a policy with the capacity's keys behind it, Markdown two tables."""
    told = shift(files, "--policy", "plan", "-o", form).stdout
    assert ("capacity_carbon_g" in told.splitlines()[0]) if form == "csv" else ("| plan |" in told)


def test_flat_intensity_saves_exactly_nothing(files: Path) -> None:
    """Under one constant intensity every policy is at exactly 1, and no share is known."""
    told = shift(files, "-o", "json", intensity="500 g/kWh")
    assert told.stdout == shift(files, "-o", "json", intensity="constant:500").stdout
    rows = json.loads(told.stdout)
    table = shift(files, "--policy", "plan", intensity="constant:500")
    assert "shifting not assessable: an annual factor only" in table.stderr
    assert {1.0} == {row["normalised"] for row in rows}
    assert {None} == {row["share_captured"] for row in rows}


def test_all_mistakes_at_once(files: Path) -> None:
    """Every option that cannot be is told, with its value and the nearest remedy."""
    told = shift(
        files,
        "--tick",
        "5",
        "--queue",
        "short:2h",
        "--reserved-discount",
        "1.5",
        "--capacity",
        "0",
    )
    assert 2 == told.exit_code
    assert "--from" not in told.stderr
    base = ("shift", files / "jobs.csv", "--intensity", "500 g/kWh", "--from", "2023")
    assert "--from 2023: is no instant" in call(*base, "--tick", "5").stderr
    for part in ("--tick 5", "--queue short:2h", "--reserved-discount 1.5", "--capacity 0"):
        assert part in told.stderr
    unknown = shift(files, "--policy", "lowest-windw", "--compare", "nowait")
    assert "did you mean 'lowest-window'?" in unknown.stderr
    assert "did you mean 'no-wait'?" in unknown.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--tick 1h --start-step 90min", "--start-step 90min: is no multiple of --tick 1h"),
        ("--tick 1h --start-step 30min", "--start-step 30min: is no multiple of --tick 1h"),
        ("--queue long::24h --queue short:2h:6h", "--queue short:2h:6h: takes no job: 'long'"),
        ("--queue a:2h:6h --queue b:2h:9h --queue c::1h", "--queue b:2h:9h: takes no job: 'a'"),
        ("--queue a::6h --queue b::9h", "--queue b::9h: takes no job: 'a'"),
        ("--reserved-discount 0.5 --reserved 2", "without reserved cores and a price"),
        ("--reserved-discount 0.5 --price-on-demand 1", "without reserved cores and a price"),
        ("--power-per-core 0W", "--power-per-core 0W: must be above 0"),
    ],
)
def test_options_that_would_do_nothing_are_refused(files: Path, given: str, told: str) -> None:
    """What would be rounded, never used or come to nothing is refused with its value."""
    found = shift(files, "--policy", "no-wait", *given.split())
    assert (2, True) == (found.exit_code, told in found.stderr), found.stderr


def test_steps_of_whole_ticks_are_taken(files: Path) -> None:
    """A step of three ticks is taken, and that of the default fits any tick, be it longer."""
    for given in ("--tick 30min --start-step 90min", "--tick 2h", "--tick 20min"):
        found = shift(files, "--policy", "lowest-window", *given.split())
        assert 0 == found.exit_code, found.stderr


def test_rows_say_what_they_are_of(files: Path) -> None:
    """Each row says whether its intensity was made up, and whether it can show any saving."""
    expected = {
        "DE.csv": (False, True),
        "profile:500": (True, True),
        "constant:500": (False, False),
    }
    for source, facts in expected.items():
        found = shift(files, "--compare", "no-wait,plan", "-o", "json", intensity=source)
        rows = json.loads(found.stdout)
        assert [facts] * 2 == [(row["synthetic"], row["assessable"]) for row in rows]
        assert "synthetic,assessable" in shift(files, "-o", "csv", intensity=source).stdout


def test_nothing_is_guessed(files: Path) -> None:
    """Without a zone, an instant or a unit of time the command is refused with the remedy."""
    base = ("shift", files / "jobs.csv", "--intensity", files / "DE.csv")
    no_zone = call(*base, "--time-unit", "h", "--from", "2023-01-01T00:00Z")
    assert (2, True) == (no_zone.exit_code, "none is ever assumed" in no_zone.stderr)
    no_instant = call(*base, "--time-unit", "h", "--zone", "DE")
    assert (2, True) == (no_instant.exit_code, "--from 2023-01-01T00:00Z" in no_instant.stderr)
    no_unit = call(*base, "--zone", "DE", "--from", "2023-01-01T00:00Z")
    assert (2, True) == (no_unit.exit_code, "--time-unit" in no_unit.stderr)


def test_missing_intensity_is_an_error(files: Path) -> None:
    """I-30: a gap in the intensity is refused, and filled only where that is asked for, told."""
    lines = (files / "DE.csv").read_text().splitlines()
    (files / "DE.csv").write_text("\n".join([*lines[:9], *lines[11:]]) + "\n")
    told = shift(files, "--policy", "plan")
    assert (3, True) == (told.exit_code, "no value for 2 h" in told.stderr)
    filled = shift(files, "--policy", "plan", "--fill", "hold")
    assert (0, True) == (filled.exit_code, "2 h in 1 gap filled (hold)" in filled.stderr)


def test_a_source_of_measured_values(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study takes what a source measured in its span, with gaps refused like those of a file."""
    monkeypatch.setenv("GREENSCHED_DATA", str(files))
    world = World(values=tuple(100.0 + 9.0 * (h * 7 % 13) for h in range(240)), past_h=240)
    with serving(lambda request: uk_carbon_intensity(world, request)) as server:
        given = ("--time-unit", "h", "--from", iso(world.start_ms), "--policy", "plan")
        source = ("--intensity", f"uk-carbon-intensity:{server.url}", "-o", "json")
        told = call("shift", files / "jobs.csv", *given, *source, "--zone", "GB")
        assert 0 == told.exit_code, told.stderr
        assert 0.9 > json.loads(told.stdout)[0]["normalised"]
        assert server.asked[0].path.startswith("/intensity/2026-02-19T00:00Z/")
        region = call("shift", files / "jobs.csv", *given, *source, "--zone", "GB-3")
        assert (3, True) == (region.exit_code, "regions have no actual values" in region.stderr)
        no_zone = call("shift", files / "jobs.csv", *given, *source)
        assert (2, True) == (no_zone.exit_code, "none is ever assumed" in no_zone.stderr)
    gone = call("shift", files / "jobs.csv", *given, *source, "--zone", "GB")
    assert (4, True) == (gone.exit_code, "no answer" in gone.stderr)


def test_other_sources(files: Path) -> None:
    """A made-up profile can be studied; what is no source is told with its option."""
    (row,) = json.loads(
        shift(files, "--policy", "plan", "-o", "json", intensity="profile:500").stdout
    )
    assert 0.7 < row["normalised"] < 1
    assert "synthetic intensity" in shift(files, intensity="profile:500").stderr
    for option in ("--intensity", "--forecast", "--marginal"):
        told = shift(files, option, "nothing.csv")
        assert (2, True) == (told.exit_code, f"{option} nothing.csv: no such" in told.stderr)
    assert (
        "--signal average or marginal" in shift(files, "--forecast", "prometheus:http://x").stderr
    )


def test_longest_gap_to_fill(files: Path) -> None:
    """A gap is filled up to 6 h, or as long as is said."""
    lines = (files / "DE.csv").read_text().splitlines()
    (files / "DE.csv").write_text("\n".join([*lines[:9], *lines[17:]]) + "\n")
    told = shift(files, "--policy", "plan", "--fill", "hold")
    assert (3, True) == (told.exit_code, "longer than the longest gap allowed" in told.stderr)
    assert 0 == shift(files, "--policy", "plan", "--fill", "hold:8h").exit_code


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--reserved", "inf", "must be at least 0"),
        ("--capacity", "nan", "must be at least"),
        ("--capacity", "1e12", "must be at most 1e+09"),
        ("--checkpoint", "1e15 h", "must be at most"),
        ("--horizon", "1e400 h", "must be at least 1"),
        ("--queue", "a::1e20h", "must be at most"),
        ("--site", "FR:1e300", "no number of cores"),
    ],
)
def test_endless_numbers(files: Path, option: str, value: str, says: str) -> None:
    """What no integer holds is refused with its option, and is no crash."""
    told = shift(files, option, value)
    assert (2, True) == (told.exit_code, option in told.stderr)
    assert says in told.stderr


def test_checkpoints(files: Path) -> None:
    """--checkpoint makes pauses dear: wait-awhile emits more, plan never more than that."""
    given = ("--interruptible", "--compare", "wait-awhile,plan", "-o", "json")
    free = json.loads(shift(files, *given).stdout)
    paid = json.loads(shift(files, *given, "--checkpoint", "20 min").stdout)
    assert free[0]["carbon_g"] == free[1]["carbon_g"] < paid[1]["carbon_g"] < paid[0]["carbon_g"]
    assert "--checkpoint 5" in shift(files, "--checkpoint", "5").stderr


def test_jobs_that_scale(files: Path) -> None:
    """--throughput adds a row of jobs that run wider in clean hours, under a cap too."""
    given = ("--policy", "wait-awhile", "--throughput", "1,2,2.9", "--price-on-demand", "2")
    narrow, wide = json.loads(shift(files, *given, "-o", "json").stdout)
    assert ("wait-awhile", "carbon-scaler") == (narrow["policy"], wide["policy"])
    assert wide["carbon_g"] < narrow["carbon_g"]
    assert wide["cost"] == pytest.approx(2 * wide["core_h"], rel=1e-3)
    assert wide["cost"] >= narrow["cost"]
    assert set(KEYS) - {"capacity"} <= set(wide["capacity"]) | {"policy"}
    assert wide["capacity"]["peak_cores"] <= wide["capacity"]["cores"]
    assert "carbon-scaler" in shift(files, *given).stdout
    flat = json.loads(shift(files, *given, "-o", "json", intensity="constant:5").stdout)
    assert [1.0, 1.0] == [row["normalised"] for row in flat]


@pytest.mark.parametrize(
    ("throughput", "says"),
    [
        ("2,3", "must begin with 1"),
        ("1,0.5", "and never fall"),
        ("1,x", "--throughput 1,x: must begin with 1"),
        (",".join(["1"] * 65), "has 65 workers, more than 64"),
    ],
)
def test_profiles_that_cannot_be(files: Path, throughput: str, says: str) -> None:
    """A profile that does not begin with one worker, falls or is no list is refused."""
    told = shift(files, "--throughput", throughput)
    assert (2, True) == (told.exit_code, says in told.stderr)


def test_steep_profiles_are_for_few_jobs(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a worker adds more than the one before each job is solved, or the envelope told."""
    given = ("--policy", "no-wait", "--throughput", "1,3", "--tick", "1h")
    told = shift(files, *given, "-o", "json")
    assert json.loads(told.stdout)[1]["normalised"] < 2 / 3
    monkeypatch.setattr("greensched.shift.scaling.JOBS_MAX", 7)
    told = shift(files, *given)
    assert (2, True) == (told.exit_code, "concave envelope, 1.5,3, or at most 7" in told.stderr)


def test_deadlines_are_told(files: Path) -> None:
    """Deadlines of a trace are said not to count, rather than passed over in silence."""
    rows = "job,submit_s,duration_s,cpu_m,deadline_s\na,0,3600,1000,9000\nb,0,3600,1000,\n"
    (files / "jobs.csv").write_text(rows)
    told = call(
        *("shift", files / "jobs.csv", "--intensity", "constant:400"),
        *("--from", "2023-01-01T00:00Z", "--policy", "plan"),
    )
    assert (0, True) == (told.exit_code, "deadlines of 1 job not looked at" in told.stderr)


def test_forecast_and_marginal(files: Path) -> None:
    """With a forecast the oracle stands beside; a marginal series adds its account."""
    text = (files / "DE.csv").read_text().replace(",3", ",7")
    (files / "other.csv").write_text(text)
    other = str(files / "other.csv")
    told = shift(files, "--policy", "plan", "-o", "json", "--forecast", other)
    (row,) = json.loads(told.stdout)
    assert row["oracle_g"] < row["carbon_g"]
    (row,) = json.loads(shift(files, "--policy", "plan", "-o", "json", "--marginal", other).stdout)
    assert row["marginal_carbon_g"] > row["carbon_g"]
    table = shift(files, "--policy", "plan", "--marginal", other).stdout
    assert 2 == table.count("marginal %")
    assert "NOTE saves by one signal and not by the other: plan" in table
    assert "marginal %" not in shift(files, "--policy", "plan").stdout


def test_gap_to_the_linear_program(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far a plan under a cap is above the linear program is told; of a large one, that not."""
    base = ("--policy", "plan", "--policy", "carbon-time", "--capacity", "3", "--tick", "1h")
    plan, other = json.loads(shift(files, *base, "-o", "json").stdout)
    assert 0 <= plan["capacity"]["above_lp"] < 0.5
    assert {"above_lp"}.isdisjoint(plan)
    assert {"above_lp"}.isdisjoint(other["capacity"])
    assert "plan on few cores, above the linear program: " in shift(files, *base).stdout
    exact = json.loads(shift(files, *base, "--solver", "exact", "-o", "json").stdout)[0]
    assert exact["capacity"]["above_lp"] <= plan["capacity"]["above_lp"]
    monkeypatch.setattr("greensched.shift.measured.COLUMNS_MAX", 2)
    assert "linear program: too large a study to tell" in shift(files, *base).stdout
    assert None is json.loads(shift(files, *base, "-o", "json").stdout)[0]["capacity"]["above_lp"]


@pytest.mark.data
def test_reproduce_agrees(data_folder: Path) -> None:
    """Every figure of Let's Wait Awhile comes out as published, to its last digit."""
    told = call("reproduce", "lets-wait-awhile", "--data", data_folder, "-o", "json")
    assert 0 == told.exit_code, told.stderr
    rows = json.loads(told.stdout)
    assert all(row["agrees"] for row in rows)
    assert {("nightly, ± 8 h", "DE"), ("ML jobs, semi-weekly, interruptible", "FR")} <= {
        (row["figure"], row["zone"]) for row in rows
    }
    assert "agrees" in call("reproduce", "lets-wait-awhile", "--data", data_folder).stdout


@pytest.mark.data
def test_reproduce_tells_what_differs(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure that does not come out makes exit code 1 and is marked."""
    from greensched.shift import lets_wait_awhile

    monkeypatch.setitem(lets_wait_awhile.BASELINE_T, "DE", 100.83)
    monkeypatch.setitem(lets_wait_awhile.BASELINE_T, "GB", 68.6)
    told = call("reproduce", "lets-wait-awhile", "--data", data_folder)
    assert (1, 1) == (told.exit_code, told.stdout.count("DIFFERS"))


def test_reproduce_needs_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder of data the remedy is told."""
    monkeypatch.delenv("GREENSCHED_DATA", raising=False)
    told = call("reproduce", "lets-wait-awhile")
    assert (2, True) == (told.exit_code, "--data DIR" in told.stderr)
    gone = call("reproduce", "lets-wait-awhile", "--data", tmp_path / "none")
    assert (2, True) == (gone.exit_code, "is no folder" in gone.stderr)
    empty = call("reproduce", "lets-wait-awhile", "--data", tmp_path)
    assert (3, True) == (empty.exit_code, "ger_ci.csv: no such file; name" in empty.stderr)


@pytest.mark.data
def test_hong_kong_saves_nothing(data_folder: Path) -> None:
    """HK is constant all year: on 100,000 real jobs every policy without a cap saves exactly 0."""
    told = call(
        "shift",
        data_folder / "workload/gaia/azure-100k.csv",
        *("--time-unit", "h", "--zone", "HK", "--from", "2023-01-01T00:00Z", "-o", "json"),
        *("--intensity", data_folder / "carbon/electricitymaps_2023_hourly.csv"),
        *("--compare", "wait-awhile,ecovisor"),
    )
    assert 0 == told.exit_code, told.stderr
    assert {1.0} == {row["normalised"] for row in json.loads(told.stdout)}
