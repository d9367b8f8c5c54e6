"""The page on a night's training, word by word, with seconds for hours."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    import pytest

    from tests.batch.cases import Place

PAGE = ROOT / "docs" / "guides" / "nightly-training.md"


def commands() -> list[str]:
    """Return the commands of the page, in order."""
    blocks = re.findall(
        r"^```\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line for block in blocks for line in block.splitlines()]


def run(place: Place, line: str) -> str:
    """Run a command of the page where `train.sh` is; return what it prints."""
    words = shlex.split(line)
    assert "greensched" == words[0]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=place.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_the_page_in_five_commands(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's five commands queue, run, settle and prove a training, seconds being hours."""
    monkeypatch.chdir(place.root)
    script = place.root / "train.sh"
    script.write_text("#!/bin/sh\necho trained >> told\nsleep 1\n", encoding="utf-8")
    script.chmod(0o700)
    init, submit, work, savings, prove = commands()
    run(place, init)
    place.intensity([(9, 12)])
    replaced = {"--within 12h": "--max-delay 15s", "2h": "2s", "DE": "XX"}
    replaced["profile:380"] = str(place.root / "intensity.csv")
    for words, seconds in replaced.items():
        assert words in submit
        submit = submit.replace(words, seconds)
    assert "100 g/kWh rather than 400 at once (+75 % saved)" in run(place, submit)
    run(place, work)
    assert ["trained"] == place.lines()
    assert "saved in all: +" in run(place, savings)
    (row,) = json.loads(run(place, f"{savings} -o json"))
    proof = run(place, prove.replace("ENTRY", row["entry"]))
    assert "c2sp.org/tlog-proof" in proof
