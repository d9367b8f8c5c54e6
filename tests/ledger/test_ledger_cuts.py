"""Files that are cut off: a prefix opens, or the last good row is named; lost tails are found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.ledger import (
    Ledger,
    files,
    prove_growth,
    prove_row,
    read_checkpoint,
    read_contents,
    read_kept,
)
from tests.ledger.cases import Case, job, new_case
from tests.ledger.damage import cuts, quick, sampled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CI_CUTS = 4_000
WAL_CUTS = 2_500
SOAK_CUTS = 100_000


def ahead(case: Case) -> Path:
    """Return the write-ahead file."""
    return case.ledger.with_name(case.ledger.name + "-wal")


def half_written(tmp_path: Path, appends: int) -> tuple[Case, set[object]]:
    """Return a ledger's files as a crash leaves them, and its checkpoint after each append."""
    case = new_case(tmp_path / "running")
    texts: set[object] = {read_contents(case.ledger).checkpoint.text}
    with Ledger(case.ledger, case.key_file) as opened:
        texts |= {opened.append([job(number)]).checkpoint.text for number in range(appends)}
        left = case.copied(tmp_path / "left")
    assert appends + 1 == len(texts)
    return left, texts


def test_cuts_of_a_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small ledger's file, cut at any of 4,000 bytes, is refused with its last good row."""
    case = new_case(tmp_path, [2, 1, 3])
    lengths = sampled(case.ledger.stat().st_size, CI_CUTS, seed=2)
    with quick(monkeypatch):
        assert [] == cuts(case, case.ledger, lengths, set())


@pytest.mark.slow
def test_every_cut_of_a_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small ledger's file, cut at every byte, is refused with its last good row."""
    case = new_case(tmp_path, [2, 1, 3])
    with quick(monkeypatch):
        assert [] == cuts(case, case.ledger, range(case.ledger.stat().st_size), set())


@pytest.mark.slow
def test_cuts_of_what_is_written_ahead(tmp_path: Path) -> None:
    """A cut write-ahead file opens to the rows of some number of whole appends."""
    case, texts = half_written(tmp_path, 6)
    lengths = sampled(ahead(case).stat().st_size, WAL_CUTS, seed=1)
    assert [] == cuts(case, ahead(case), lengths, texts)


def test_each_whole_append_of_a_cut_file_is_kept(tmp_path: Path) -> None:
    """Cut after its n-th append, the write-ahead file opens to n appends; the tail is missed."""
    case, texts = half_written(tmp_path, 4)
    whole = ahead(case).read_bytes()
    sizes = set()
    for length in [*range(0, len(whole), 500), len(whole)]:
        ahead(case).write_bytes(whole[:length])
        contents = read_contents(case.ledger)
        size = contents.checkpoint.checkpoint.size
        assert contents.checkpoint.text in texts
        if size not in sizes and size < 5:
            with pytest.raises(
                DataError, match=rf"rows from {size} on are lost.* row is {size - 1}"
            ):
                case.verify()
            with pytest.raises(DataError, match="its tail is lost: 5 rows acknowledged"):
                case.append(job(9))
            ahead(case).write_bytes(whole[:length])
        sizes.add(size)
    assert {1, 2, 3, 4, 5} == sizes
    assert 5 == case.verify().checkpoint.checkpoint.size


@pytest.mark.soak
def test_every_cut_of_what_is_written_ahead(tmp_path: Path) -> None:
    """A small write-ahead file, cut at every byte, opens to some number of whole appends."""
    case, texts = half_written(tmp_path, 2)
    assert [] == cuts(case, ahead(case), range(ahead(case).stat().st_size), texts)


@pytest.mark.soak
def test_many_cuts_of_a_larger_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 cuts of a file of a thousand rows are refused, each with the last good row."""
    case = new_case(tmp_path, [1_000])
    lengths = sampled(case.ledger.stat().st_size, SOAK_CUTS, seed=3)
    assert SOAK_CUTS == len(lengths)
    with quick(monkeypatch):
        assert [] == cuts(case, case.ledger, lengths, set())


def test_last_good_row_of_a_cut_file(tmp_path: Path) -> None:
    """The last good row that a cut file names is the last whose record is still in it."""
    case = new_case(tmp_path, [1_000])
    data = case.ledger.read_bytes()
    names = []
    for pages in range(len(data) // 4096):
        case.ledger.write_bytes(data[: 4096 * pages])
        with pytest.raises(DataError) as caught:
            case.verify()
        names.append(str(caught.value).partition("last good row")[2].strip(" is:").split(";")[0])
        if names[-1].isdigit():
            # row n is job n - 1
            assert f'"job/{int(names[-1]) - 1}/1"'.encode() in data[: 4096 * pages]
    assert "none" == names[0]
    assert len(set(names)) > 10


def test_a_last_page_that_nothing_reads(tmp_path: Path) -> None:
    """A file that lacks its last byte is refused by all, though no row is in that page."""
    case = new_case(tmp_path, [2])
    kept = case.verify().checkpoint
    with case.ledger.open("r+b") as stream:
        stream.truncate(case.ledger.stat().st_size - 1)
    acts: tuple[Callable[[], object], ...] = (
        case.verify,
        case.export,
        lambda: case.append(job(9)),
        lambda: prove_row(case.ledger, 1),
        lambda: prove_growth(case.ledger, kept),
    )
    for act in acts:
        with pytest.raises(DataError, match="it is cut off within its last page"):
            act()


def older(case: Case, tmp_path: Path) -> Case:
    """Return a copy of a ledger with its checkpoint, as it is now."""
    return case.copied(tmp_path / "older")


def test_tail_cut_off_together_with_its_checkpoint(tmp_path: Path) -> None:
    """A ledger put back with its checkpoint looks whole; a checkpoint kept elsewhere tells."""
    case = new_case(tmp_path, [2])
    before = older(case, tmp_path)
    case.append(job(7))
    kept = case.verify().checkpoint
    for path in before.ledger.parent.iterdir():
        shutil.copy(path, case.ledger.with_name(path.name))
    assert 3 == case.verify().checkpoint.checkpoint.size
    for one in (kept, read_kept(kept.anchor)):
        with pytest.raises(DataError, match="was kept tells of 4 rows: rows from 3 on are lost"):
            case.verify(one)


def test_lost_tail_with_its_checkpoint_left(tmp_path: Path) -> None:
    """A ledger put back without its checkpoint is found shorter than was acknowledged."""
    case = new_case(tmp_path, [2])
    before = older(case, tmp_path)
    case.append(job(7))
    shutil.copy(before.ledger, case.ledger)
    with pytest.raises(DataError, match=r"l\.sqlite\.checkpoint beside it tells of 4 rows"):
        case.verify()
    with pytest.raises(DataError, match="its tail is lost: 4 rows acknowledged, it has 3"):
        case.append(job(8))
    with pytest.raises(DataError, match="tells of 4 rows"):  # nothing covered the trace
        case.verify()


def test_ledger_written_anew(tmp_path: Path) -> None:
    """Other rows, signed with the same key, do not continue a checkpoint that was kept."""
    case = new_case(tmp_path, [2])
    before = older(case, tmp_path)
    case.append(job(7), job(8))
    kept = case.verify().checkpoint
    before.append(job(1_000), job(1_001), job(1_002))
    assert 6 == before.verify().checkpoint.checkpoint.size
    with pytest.raises(DataError, match="tells of other rows up to 4: they were written anew"):
        before.verify(kept)
    shutil.copy(files.checkpoint_file(case.ledger), files.checkpoint_file(before.ledger))
    with pytest.raises(DataError, match="beside it tells of other rows"):
        before.verify()
    with pytest.raises(DataError, match="are not those that were acknowledged"):
        before.append(job(9))


def test_as_many_other_rows(tmp_path: Path) -> None:
    """Of as many rows as were acknowledged, but others, none is told as lost."""
    case = new_case(tmp_path, [2])
    before = older(case, tmp_path)
    case.append(job(7))
    before.append(job(8))
    shutil.copy(files.checkpoint_file(case.ledger), files.checkpoint_file(before.ledger))
    with pytest.raises(DataError, match="its rows are not those that were acknowledged"):
        before.append(job(9))


def test_checkpoint_behind_the_ledger(tmp_path: Path) -> None:
    """A crash between commit and checkpoint leaves it one append behind: that is no fault."""
    case = new_case(tmp_path, [2])
    path = files.checkpoint_file(case.ledger)
    before = path.read_bytes()
    case.append(job(7), job(8))
    path.write_bytes(before)
    assert 5 == case.verify().checkpoint.checkpoint.size
    assert 6 == case.append(job(9))
    assert 6 == read_checkpoint(path.read_text(encoding="utf-8")).checkpoint.size


def test_ledger_without_its_checkpoint(tmp_path: Path) -> None:
    """Without a checkpoint beside it a ledger verifies, says so, and gets one when appended to."""
    case = new_case(tmp_path, [2])
    files.checkpoint_file(case.ledger).unlink()
    assert not case.verify().is_published
    case.append(job(7))
    assert case.verify().is_published
