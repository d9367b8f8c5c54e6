"""Bits that turn round: each is found, or rows, root and checkpoint are what they were."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.ledger import Ledger, files
from tests.ledger.cases import Case, job, new_case
from tests.ledger.damage import FOUND, flips, quick, sampled, state

if TYPE_CHECKING:
    from pathlib import Path

CI_FLIPS = 95_000  # of the main file; with those of the other files 100,000
WAL_FLIPS = 3_600
SOAK_FLIPS = 150_000  # a test; seven of them and those of the write-ahead files are a million


def half_written(tmp_path: Path) -> Case:
    """Return a copy of a ledger's files as a crash leaves them, three appends written ahead."""
    case = new_case(tmp_path / "running", [2])
    with Ledger(case.ledger, case.key_file) as opened:
        for number in (2, 3, 4):
            opened.append([job(number)])
        return case.copied(tmp_path / "left")


@pytest.mark.slow
def test_flips_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """95,000 bits of a small ledger's file, one at a time, are each found or harmless."""
    case = new_case(tmp_path, [2, 1, 3])
    with quick(monkeypatch):
        bits = sampled(8 * case.ledger.stat().st_size, CI_FLIPS, seed=1)
        assert CI_FLIPS == len(bits)
        assert [] == flips(case, case.ledger, bits)


def test_flips_of_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bit of the checkpoint beside the ledger that turns round is found."""
    case = new_case(tmp_path, [2])
    path = files.checkpoint_file(case.ledger)
    whole = path.read_bytes()
    with quick(monkeypatch):
        for bit in range(8 * len(whole)):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            assert FOUND == state(case)


@pytest.mark.slow
def test_flips_of_what_is_written_ahead(tmp_path: Path) -> None:
    """Bits of the write-ahead file: it opens to fewer rows, which the checkpoint tells, or all."""
    case = half_written(tmp_path)
    path = case.ledger.with_name(case.ledger.name + "-wal")
    assert [] == flips(case, path, sampled(8 * path.stat().st_size, WAL_FLIPS, seed=2))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(7))
def test_many_flips_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A million bits in all, of seven ledgers of different rows, are each found or harmless."""
    case = new_case(tmp_path, [seed + 1, 1, 2 * seed])
    with quick(monkeypatch):
        bits = sampled(8 * case.ledger.stat().st_size, SOAK_FLIPS, seed=seed)
        assert SOAK_FLIPS == len(bits)
        assert [] == flips(case, case.ledger, bits)


def test_a_flipped_row_is_named(tmp_path: Path) -> None:
    """A bit that turns round within a record is told with the last row before it."""
    case = new_case(tmp_path, [5])
    data = case.ledger.read_bytes()
    place = data.index(b'"job/3/1"')
    case.ledger.write_bytes(data[:place] + b"'" + data[place + 1 :])
    with pytest.raises(DataError, match="a row is not what was appended; the last good row is 3"):
        case.verify()


def test_a_flip_of_the_index_is_found_where_asked(tmp_path: Path) -> None:
    """The index of keys proves nothing: a thorough look alone finds it; rows are exported."""
    case = new_case(tmp_path, [5])
    data = case.ledger.read_bytes()
    place = data.index(b"job/3/1", data.index(b"job/3/1") + 1)  # after the record: the index
    found = [p for p in range(len(data)) if data.startswith(b"job/3/1", p)]
    assert 2 == len(found)
    changed = bytearray(data)
    changed[place] = ord("k")
    case.ledger.write_bytes(changed)
    if FOUND == state(case):  # the rows' page may come after the index's
        changed[place], changed[found[0]] = data[place], ord("k")
        case.ledger.write_bytes(changed)
    assert FOUND != state(case)
    assert 6 == len(json.loads(case.export())["records"])
    with pytest.raises(DataError, match=r"row_of_key.*export them, and append them"):
        case.verify(thorough=True)
