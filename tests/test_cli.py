"""The command line: commands, errors, exit codes, gates, streams."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from greensched.cli import say
from greensched.cli.gate import OPERATORS, read_gate
from greensched.cli.main import COMMANDS, main
from greensched.errors import GreenschedError, OutsideError, UsageError
from tests.conftest import ROOT
from tests.report_cases import summary, write_scenario

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture(autouse=True)
def _level() -> Generator[None, None, None]:
    """Begin and end each test at the usual level of narration."""
    say.set_level(say.NORMAL)
    yield
    say.set_level(say.NORMAL)


def call(*arguments: str | Path) -> Result:
    """Run a command in this process, on a terminal of 100 columns."""
    words = [str(a) for a in arguments]
    return CliRunner().invoke(main, words, prog_name="greensched", env={"COLUMNS": "100"})


def test_help_lists_every_command() -> None:
    """Help names all commands in the order of work, with a line on each."""
    told = call("--help")
    assert 0 == told.exit_code
    listed = told.stdout.partition("Commands:\n")[2].splitlines()
    assert list(COMMANDS) == [line.split()[0] for line in listed]
    assert all(len(line.split()) > 3 for line in listed)


@pytest.mark.parametrize(
    "path",
    [
        *((c,) for c in COMMANDS),
        *(("batch", c) for c in ("submit", "run", "ls", "show", "run-now", "hold", "cancel")),
        *(("batch", c) for c in ("plan", "savings")),
        *(("trace", c) for c in ("import", "inspect", "sample")),
        *(("carbon", c) for c in ("import", "zones", "show", "plan", "limits")),
    ],
)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    """Each command explains itself and its options."""
    told = call(*path, "--help")
    assert 0 == told.exit_code
    assert f"Usage: greensched {' '.join(path)}" in told.stdout


def test_version() -> None:
    """--version prints name and version."""
    assert "greensched, version" in call("--version").stdout


def test_unknown_command_names_the_nearest() -> None:
    """A mistyped command is a usage error that names the nearest one."""
    told = call("validat")
    assert 2 == told.exit_code
    assert "did you mean 'validate'?" in told.stderr
    assert "" == told.stdout


def test_scenario_errors_come_all_at_once(tmp_path: Path) -> None:
    """Every error of a scenario is one line on stderr, with place and remedy; exit code 2."""
    path = write_scenario(tmp_path)
    text = path.read_text(encoding="utf-8")
    text = text.replace("pue: 1.2", "pue: 0.9").replace("kind: elastic", "kind: elastik")
    path.write_text(text, encoding="utf-8")
    for command in ("validate", "run"):
        told = call(command, path)
        assert 2 == told.exit_code
        assert "" == told.stdout
        first, second = told.stderr.splitlines()
        assert first.startswith("small.yaml:6:")
        assert "0.9 is below 1.0" in first
        assert "unknown policy 'elastik'; did you mean 'elastic'?" in second


def test_bad_rows_exit_with_3_or_are_dropped(tmp_path: Path) -> None:
    """Bad rows of a trace are refused with exit code 3, and counted with --on-bad=drop."""
    path = write_scenario(tmp_path, bad_job=True)
    told = call("validate", path)
    assert 3 == told.exit_code
    assert "jobs.csv row 1" in told.stderr
    assert "Traceback" not in told.stderr
    dropped = call("validate", path, "--on-bad", "drop", "-o", "json")
    assert 0 == dropped.exit_code
    found = json.loads(dropped.stdout)
    assert 39 == found["jobs"]
    assert "1 row dropped" in " ".join(found["findings"])


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every run raise `error` after it came some way."""

    def run(_scenario: Any, *, progress: Any, **_rest: Any) -> None:
        progress("scenario", 0.43)
        raise error

    monkeypatch.setattr("greensched.experiment.run", run)


def test_unexpected_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours is one line and exit code 70; the traceback comes only with -vv."""
    _raising(monkeypatch, ZeroDivisionError("by zero"))
    path = write_scenario(tmp_path)
    told = call("run", path, "--out", tmp_path / "r")
    assert 70 == told.exit_code
    assert (
        "internal error: ZeroDivisionError: by zero; please report it (-vv shows where)"
        == (told.stderr.strip().splitlines()[-1])
    )
    assert "Traceback" not in told.stderr
    assert "Traceback" in call("run", path, "--out", tmp_path / "r", "-vv").stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(OutsideError("refused"), 4), (UsageError("no"), 2), (KeyboardInterrupt(), 130)],
)
def test_exit_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    """Each kind of failure has its exit code, and leaves nothing behind."""
    _raising(monkeypatch, error)
    path = write_scenario(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    told = call("run", path, "--out", tmp_path / "r")
    assert code == told.exit_code
    assert before == sorted(p.name for p in tmp_path.iterdir())
    if isinstance(error, GreenschedError):
        assert str(error) in told.stderr


def test_interrupted_run_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C says in which run it came how far."""
    _raising(monkeypatch, KeyboardInterrupt())
    told = call("run", write_scenario(tmp_path), "--out", tmp_path / "r")
    expected = "interrupted after 0 of about 34 runs, in 'scenario'; nothing was written"
    assert expected in told.stderr


def test_mistaken_gate_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that is no comparison is refused at once, and nothing in it is evaluated."""
    _raising(monkeypatch, AssertionError("it ran"))
    text = "__import__('os').getpid() > 0"
    told = call("run", write_scenario(tmp_path), "--fail-if", text)
    assert 2 == told.exit_code
    assert "is not 'PATH SIGN NUMBER'" in told.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("service.violation_min > 0", "is 12.0"),
        ("service.violation_min > 12", ""),
        ("service.violation_min>=12.0", "is 12.0"),
        ("service.violation_min_by_service.shop.eu > 5", "is 8.0"),
        ("batch.deadline_miss_ok == false", ""),
        ("batch.deadline_miss_ok != false", "is True"),
        ("savings.share.energy_it_kwh < 0.5", "is 0.13"),
        ("static_peak.moves == 22", "is 22"),
        ("batch.wait_p95_limit_s > 1e9", "is not known"),
    ],
)
def test_gates(text: str, expected: str) -> None:
    """A gate looks in the scenario first, then in the summary; what is not known fails."""
    failure = read_gate(text).failure(summary())
    assert expected in failure
    assert bool(expected) == bool(failure)


def test_gate_names_the_nearest_key() -> None:
    """A path that leads nowhere, or to no number, is a usage error with the nearest keys."""
    with pytest.raises(UsageError, match=r"near: service\.violation_min"):
        read_gate("service.violations_min > 0").failure(summary())
    with pytest.raises(UsageError, match="has no number 'batch'"):
        read_gate("batch > 0").failure(summary())


@given(st.sampled_from(sorted(OPERATORS)), st.floats(-1e6, 1e6, allow_nan=False))
def test_gate_agrees_with_arithmetic(sign: str, bound: float) -> None:
    """A gate fails exactly where its comparison is true."""
    failure = read_gate(f"service.violation_min {sign} {bound!r}").failure(summary())
    assert OPERATORS[sign](12.0, bound) == bool(failure)


def test_set_without_a_value_is_refused(tmp_path: Path) -> None:
    """--set without '=' and a path that leads nowhere are usage errors."""
    path = write_scenario(tmp_path)
    told = call("validate", path, "--set", "seed")
    assert (2, True) == (told.exit_code, "write path=value" in told.stderr)
    told = call("validate", path, "--set", "fleet.0.cuont.x=3")
    assert (2, True) == (told.exit_code, "there is no 'fleet.0.cuont'" in told.stderr)


@pytest.mark.parametrize("of", ["scenario", "summary"])
def test_schemas_are_schemas(of: str) -> None:
    """What `schema` prints is a JSON Schema."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads(call("schema", of).stdout))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    """The completion script of a shell names the command."""
    assert "_GREENSCHED_COMPLETE" in call("completion", shell).stdout


def test_bash_completes_commands() -> None:
    """In bash, `greensched tr` completes to `trace`."""
    environment = {
        **os.environ,
        "_GREENSCHED_COMPLETE": "bash_complete",
        "COMP_WORDS": "greensched tr",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "greensched"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ["plain,trace"] == done.stdout.split()


def test_doctor_looks_at_what_a_run_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor lists versions, caches, kernels, samples and data, and fails on a missing folder."""
    monkeypatch.setenv("GREENSCHED_DATA", str(tmp_path))
    told = call("doctor", "-o", "json")
    checks = {c["check"]: c for c in json.loads(told.stdout)["checks"]}
    assert {"python", "numba", "trace cache", "kernels", "bundled samples", "data"} <= set(checks)
    assert str(tmp_path) == checks["data"]["found"]
    monkeypatch.setenv("GREENSCHED_DATA", str(tmp_path / "nowhere"))
    told = call("doctor")
    assert 1 == told.exit_code
    assert "BAD  data" in told.stdout


def test_reader_of_a_broken_pipe_is_no_traceback(tmp_path: Path) -> None:
    """Where the reader of our output goes away, nothing is said."""
    command = f"{sys.executable} -m greensched schema | head -c 1"
    done = subprocess.run(
        ["bash", "-c", command],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("{", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_lost_interrupt_is_raised_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A Ctrl-C that a library's callback swallows still ends the run, at its next step."""

    def run(_scenario: Any, *, progress: Any, **_rest: Any) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        progress("baseline", 0.0)
        raise AssertionError("it went on")

    monkeypatch.setattr("greensched.experiment.run", run)
    before = signal.getsignal(number)
    told = call("run", write_scenario(tmp_path), "--out", tmp_path / "r")
    assert 130 == told.exit_code
    assert "interrupted" in told.stderr
    assert before == signal.getsignal(number)


@pytest.mark.parametrize(
    ("command", "reads", "expected"),
    [
        ("run", "experiment.run", "interrupted before the first run began; nothing was written"),
        ("validate", "scenario.load", "s; nothing is left half-written"),
    ],
)
def test_interrupt_that_a_library_renames_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, reads: str, expected: str
) -> None:
    """Ctrl-C that a library makes an error of its own of, as DuckDB does, ends with 130."""

    def read(*_files: Any, **_rest: Any) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("Query interrupted")

    path = write_scenario(tmp_path)
    monkeypatch.setattr(f"greensched.{reads}", read)
    told = call(command, path)
    assert 130 == told.exit_code
    assert told.stderr.endswith(expected + "\n")


def test_interrupt_while_importing_has_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while the command line is still being imported ends with 130 and one line."""
    text = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    (tmp_path / "click.py").write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "greensched", "--help"]
    ended = subprocess.run(command, check=False, env=environment, cwd=ROOT)
    assert 130 == ended.returncode
    assert "interrupted; nothing was written\n" == capfd.readouterr().err


def test_completion_help_keeps_its_lines() -> None:
    """The lines to copy from `completion --help` stand as lines of their own."""
    lines = [line.strip() for line in call("completion", "--help").stdout.splitlines()]
    assert 'bash, zsh:  eval "$(greensched completion bash)"' in lines
    assert "fish:       greensched completion fish | source" in lines
