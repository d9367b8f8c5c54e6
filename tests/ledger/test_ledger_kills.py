"""Writers that are killed: what they acknowledged is there, whole, in order, and goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.effort import examples
from tests.ledger.cases import Case, job, new_case

if TYPE_CHECKING:
    from pathlib import Path

CI_KILLS = 30
SOAK_KILLS = 200
ALIVE_S = 0.12  # a writer lives at most so long after its first append

# Appends one record or a few at a time, and says how many rows are acknowledged after each.
WRITER = """
import itertools, os, sys
from pathlib import Path
from greensched.ledger import Ledger
from tests.ledger.cases import job
with Ledger(Path(sys.argv[1]), Path(sys.argv[2])) as ledger:
    at = int(sys.argv[3])
    for count in itertools.cycle((1, 1, 1, 50, 2)):
        size = ledger.append([job(at + i) for i in range(count)]).checkpoint.checkpoint.size
        at += count
        os.write(1, f"{size}\\n".encode())
"""


def killed_writer(case: Case, size: int, alive_s: float) -> int:
    """Start a writer, kill it `alive_s` after its first append; return what it acknowledged."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(case.ledger), str(case.key_file), str(size - 1)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(alive_s)
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
    assert -signal.SIGKILL == child.returncode
    whole = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return int(whole[-1])


def survives(tmp_path: Path, kills: int) -> None:
    """Kill a ledger's writers so many times, each beginning where the last one was killed."""
    case, size, chance = new_case(tmp_path), 1, random.Random(6)  # noqa: S311
    ahead = 0
    for _ in range(kills):
        acknowledged = killed_writer(case, size, chance.uniform(0, ALIVE_S))
        size = case.verify(thorough=True).checkpoint.checkpoint.size
        assert acknowledged <= size
        ahead += size > acknowledged
        found = json.loads(case.export())["records"]
        assert [job(i) for i in range(size - 1)] == found[1:]
    assert size > kills
    assert size + 1 == case.append(job(size - 1))
    assert ahead < kills  # else the kills would never have come between two appends


def test_kills(tmp_path: Path) -> None:
    """30 writers killed at random moments lose nothing that was acknowledged, and tear nothing."""
    survives(tmp_path, examples(CI_KILLS))


@pytest.mark.soak
def test_many_kills(tmp_path: Path) -> None:
    """200 writers killed at random moments lose nothing that was acknowledged."""
    survives(tmp_path, SOAK_KILLS)
