"""Disks that refuse, fill up or lose power."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from greensched.errors import UsageError
from greensched.ledger import Ledger
from greensched.ledger.files import published_checkpoint
from tests.conftest import ROOT
from tests.ledger.cases import Case, files, job, new_case
from tests.ledger.faults import Deed, Disk, faulty_disk

if TYPE_CHECKING:
    from pathlib import Path

APPENDS = 4


@pytest.mark.parametrize("is_refused_on", [False, True])
def test_every_refused_write_and_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_refused_on: bool
) -> None:
    """Whichever write or wait for the disk fails, what was acknowledged stays, and it goes on."""
    base = new_case(tmp_path / "base", [3])
    refused_at = 0
    while True:
        case = base.copied(tmp_path / f"at{refused_at}")
        disk = Disk(refuse_at=refused_at, is_refused_on=is_refused_on)
        acknowledged = 4
        with (
            faulty_disk(monkeypatch, disk),
            contextlib.suppress(UsageError),
            Ledger(case.ledger, case.key_file) as opened,
        ):
            for number in range(3, 3 + APPENDS):
                opened.append([job(number)])
                acknowledged += 1
        if not disk.refused:
            break
        size = case.verify(thorough=True).checkpoint.checkpoint.size
        assert acknowledged <= size <= acknowledged + 1
        assert size + 1 == case.append(job(size - 1))
        refused_at += 1
    assert 4 + APPENDS == acknowledged
    kinds = {(d.name.removeprefix("l.sqlite"), d.kind) for d in disk.deeds}
    assert {(".checkpoint", "write"), (".checkpoint", "sync")} <= kinds
    if ("-wal", "write") in kinds:  # SQLite's own writes are reached
        assert {("-wal", "sync"), ("", "write"), ("", "sync")} <= kinds
        assert refused_at > 10 * APPENDS


def power_lost(
    deeds: list[Deed], begin: dict[str, bytes], chance: random.Random
) -> dict[str, bytes]:
    """Return files as a loss of power leaves them: what was synced, and some of what was not."""
    found = {name: bytearray(data) for name, data in begin.items()}
    for at, deed in enumerate(deeds):
        is_synced = any(d.name == deed.name and d.kind == "sync" for d in deeds[at:])
        if deed.kind == "sync" or not (is_synced or chance.random() < 0.5):
            continue
        data = found.setdefault(deed.name, bytearray())
        if deed.kind == "cut":
            del data[deed.place :]
        else:
            data.extend(b"\x00" * (deed.place - len(data)))
            data[deed.place : deed.place + len(deed.data)] = deed.data
    return {name: bytes(data) for name, data in found.items()}


def test_loss_of_power_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power lost at any moment leaves all that was acknowledged, whatever else was written."""
    case, disk, chance = new_case(tmp_path, [3]), Disk(), random.Random(7)  # noqa: S311
    begin = {p.name: p.read_bytes() for p in files(case.ledger)}
    acknowledged = [(0, 4)]  # number of deeds -> rows
    with faulty_disk(monkeypatch, disk), Ledger(case.ledger, case.key_file) as opened:
        for number in range(3, 3 + APPENDS):
            size = opened.append([job(number)]).checkpoint.checkpoint.size
            acknowledged.append((len(disk.deeds), size))
    deeds = disk.deeds  # the last of them are of closing, when rows move into the main file
    for at in range(len(deeds) + 1):
        for again in range(4):
            left = Case(
                ledger=tmp_path / f"{at}-{again}" / case.ledger.name,
                key_file=case.key_file,
                verifier_key=case.verifier_key,
            )
            left.ledger.parent.mkdir()
            for name, data in power_lost(deeds[:at], begin, chance).items():
                left.ledger.with_name(name).write_bytes(data)
            told = max(size for moment, size in acknowledged if moment <= at)
            published = published_checkpoint(left.ledger)
            assert published is not None
            size = left.verify(thorough=True).checkpoint.checkpoint.size
            assert told <= published.checkpoint.size <= size


FILLER = """
import resource, signal, sys
from pathlib import Path
from greensched.errors import UsageError
from greensched.ledger import Ledger
from tests.ledger.cases import job
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in range(0, 140_000, int(sys.argv[3])):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with Ledger(Path(sys.argv[1]), Path(sys.argv[2])) as ledger:
            size = ledger.append([job(n) for n in range(1, 401)]).checkpoint.checkpoint.size
        print(limit, size)
        break
    except UsageError as error:
        print(limit, "refused", str(error).partition(": ")[2])
"""


def test_full_disk(tmp_path: Path) -> None:
    """However little room there is, an append is refused as a whole until there is enough."""
    case = new_case(tmp_path, [1])
    command = [sys.executable, "-c", FILLER, str(case.ledger), str(case.key_file), "3001"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    *refused, last = done.stdout.splitlines()
    assert len(refused) > 10
    assert all("cannot be read or written" in line and "acknowledged" in line for line in refused)
    assert "402" == last.split()[1]
    assert 402 == case.verify(thorough=True).checkpoint.checkpoint.size
