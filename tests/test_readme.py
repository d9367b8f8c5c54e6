"""What the documents show is what happens: tables, charts, commands, code and links."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner

from greensched.cli.main import main as command_line
from tests import readme
from tests.blocks import DOCUMENTS, blocks
from tests.readme import README, ROOT, TIDE

if TYPE_CHECKING:
    from pathlib import Path

TARGET = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PIPES = ("|", ">", ">>", "--")  # beyond them are words of others
PAGE_MAX_BYTES = 2_000_000
CHART_MAX_BYTES = 160_000


def _blocks(language: str) -> list[str]:
    """Return README's fenced blocks of a language."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return pattern.findall(README.read_text(encoding="utf-8"))


def _commands(path: Path) -> list[list[str]]:
    """Return the commands, in words, that the console blocks of a document show."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


def _all_commands(path: Path) -> list[list[str]]:
    """Return the commands of ours, in words, of all of a document's blocks."""
    text = "\n".join(block.text for block in blocks(path.read_text(encoding="utf-8")))
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(li, comments=True) for li in lines if re.match(r"(greensched|make) ", li)]


def _anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as they are linked to."""
    lines = FENCE.sub("", path.read_text(encoding="utf-8")).splitlines()
    titles = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.slow
def test_demo_prints_and_draws_what_the_readme_shows(tmp_path: Path) -> None:
    """README's table and chart are the demonstration's, whose page is smaller than 2 MB."""
    printed, tide = readme.demo(tmp_path)
    assert PAGE_MAX_BYTES > (tmp_path / "demo" / "report.html").stat().st_size
    assert readme.table(README.read_text(encoding="utf-8")) == printed
    assert readme.lines_drawn(TIDE.read_text(encoding="utf-8")) == readme.lines_drawn(tide)


def test_tide_chart_is_a_small_picture_that_asks_for_nothing() -> None:
    """The chart is well-formed, below 160 kB, and names no outside resource."""
    text = TIDE.read_text(encoding="utf-8")
    assert CHART_MAX_BYTES > len(text.encode())
    assert "{http://www.w3.org/2000/svg}svg" == ET.fromstring(text).tag  # noqa: S314  our file
    assert set() == set(re.findall(r"https?://[^\"\s]+", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert [] != readme.lines_drawn(text)


@pytest.mark.slow
def test_own_trace_commands_run_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands that README gives for a user's own list of jobs run in their order."""
    rows = [f"{60 * i},{30 + i % 7 * 20},{1 + i % 4}" for i in range(60)]
    text = "\n".join(["arrival_time,length,cpus", *rows, ""])
    (tmp_path / "jobs.csv").write_text(text, encoding="utf-8")
    shown = [words[1:] for words in _commands(README) if "jobs.csv" in words or "my.yaml" in words]
    assert ["trace", "trace", "init", "validate", "run"] == [words[0] for words in shown[:5]]
    monkeypatch.chdir(tmp_path)
    done = [CliRunner().invoke(command_line, words) for words in shown]
    assert [0] * len(shown) == [one.exit_code for one in done], [one.output for one in done]
    assert "scope 2" in done[4].output
    assert (tmp_path / "results").is_dir()


@pytest.mark.slow
def test_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """README's Python example runs as it stands, and its last value is the one it says."""
    monkeypatch.chdir(ROOT)
    (block,) = _blocks("python")
    names: dict[str, object] = {"OUT": tmp_path}
    exec(compile(block, str(README), "exec"), names)  # noqa: S102  README is ours
    assert {"baseline", "static_peak", "scenario"} == names["runs"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_shown_exist(path: Path) -> None:
    """Every greensched command in a block exists with its options, and every make target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    for words in _all_commands(path):
        if words[:1] == ["make"]:
            assert set() == set(words[1:]) - set(targets)
        if words[:1] == ["greensched"]:
            upto = next((i for i, word in enumerate(words) if word in PIPES), len(words))
            _check(words[1:upto])


def _check(words: list[str]) -> None:
    """Fail where a command or one of its options does not exist."""
    command: click.Command = command_line
    context = click.Context(command)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"no such command: {words}"
        command, words = found, words[1:]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert set() == given - known - {"--help"}, f"{command.name} has no such option"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a document leads to a file, and to a heading where it names one."""
    for target in TARGET.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), f"{path.name}: {target} does not exist"
        assert not anchor or anchor in _anchors(there), f"{path.name}: no heading {target}"
