"""Readers and writers at one time: who waits for whom, and what a reader sees meanwhile."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError, UsageError
from greensched.ledger import Ledger, files, store
from greensched.ledger.files import checkpoint_file, publish_checkpoint, published_checkpoint
from tests.ledger.cases import Case, job, new_case

if TYPE_CHECKING:
    from collections.abc import Callable

SOON_S = 0.05


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return a ledger of two rows and its opening."""
    return new_case(tmp_path, [2])


def soon(act: Callable[[], object]) -> threading.Timer:
    """Do something a little later, and return the thread that does."""
    timer = threading.Timer(SOON_S, act)
    timer.start()
    return timer


def test_a_writer_waits_for_another(case: Case) -> None:
    """Who appends while another writer holds the ledger does so once that one is done."""
    with files.beside(case.ledger, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        timer = soon(lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        assert 4 == case.append(job(2))
        timer.join()


def test_a_checkpoint_is_read_whole(case: Case) -> None:
    """Who reads the checkpoint while it is being written sees all of it."""
    path = checkpoint_file(case.ledger)
    text = path.read_bytes()
    with path.open("r+b", buffering=0) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(len(text) // 2)

        def finish() -> None:
            os.pwrite(stream.fileno(), text, 0)
            fcntl.flock(stream, fcntl.LOCK_UN)

        timer = soon(finish)
        found = published_checkpoint(case.ledger)
        timer.join()
    assert found is not None
    assert text == found.text.encode()


def test_a_checkpoint_is_not_written_while_it_is_read(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the moment of writing nobody else may read the checkpoint."""
    path = checkpoint_file(case.ledger)
    written: list[int] = []

    def pwrite(descriptor: int, data: bytes, at: int) -> int:
        with path.open("rb") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        written.append(real(descriptor, data, at))
        return written[0]

    real = os.pwrite
    text = path.read_text(encoding="utf-8")
    monkeypatch.setattr(os, "pwrite", pwrite)
    publish_checkpoint(case.ledger, text)
    assert [len(text.encode())] == written


@pytest.mark.parametrize("is_looked_at", [False, True])
def test_a_reader_sees_one_instant(case: Case, is_looked_at: bool) -> None:
    """What is appended while a reader is at work is not there for it, from its first moment."""
    with store.reading(case.ledger) as connection:
        if is_looked_at:
            assert 3 == len(store.leaves_of(connection))
        case.append(job(2))
        assert 3 == len(store.leaves_of(connection))
    assert 4 == case.verify().checkpoint.checkpoint.size


def open_files() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


def test_a_refused_opening_leaves_no_file_open(case: Case) -> None:
    """While it is told why a ledger cannot be opened, its file is closed already."""
    key = case.key_file.read_bytes()
    case.key_file.unlink()
    before = open_files()
    with pytest.raises(UsageError) as refused:
        Ledger(case.ledger, case.key_file)
    assert before == open_files()
    case.key_file.write_bytes(key)
    del refused


@pytest.mark.parametrize("act", ["verify", "append"])
def test_a_malformed_file_is_told_as_such(case: Case, act: str) -> None:
    """Of a file whose first page is destroyed SQLite's own words are told, and it is closed."""
    data = bytearray(case.ledger.read_bytes())
    data[100:140] = b"\xff" * 40
    case.ledger.write_bytes(data)
    acts: dict[str, Callable[[], Any]] = {
        "verify": case.verify,
        "append": lambda: case.append(job(9)),
    }
    before = open_files()
    with pytest.raises(DataError, match="database disk image is malformed") as refused:
        acts[act]()
    assert before == open_files()
    del refused
