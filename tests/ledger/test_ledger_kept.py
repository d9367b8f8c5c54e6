"""What was kept elsewhere is held to a ledger: every size, wherever it falls among the rows."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.ledger import (
    Ledger,
    SignedCheckpoint,
    read_checkpoint,
    store,
    verifier_key,
    verify,
)
from greensched.ledger.checkpoint import Checkpoint
from greensched.ledger.ledger import signed_head
from greensched.ledger.note import new_key, signed
from greensched.ledger.tree import EMPTY_ROOT, Frontier
from tests.ledger.cases import ORIGIN, Case, job, new_case
from tests.ledger.test_ledger_damage import changed, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.ledger.note import SigningKey

ROWS = 7


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, list[SignedCheckpoint]]:
    """Return a ledger of seven rows, and its checkpoint at each number of rows."""
    case = new_case(tmp_path_factory.mktemp("kept"))
    kept = [case.verify().checkpoint]
    with Ledger(case.ledger, case.key_file) as opened:
        kept += [opened.append([job(n)]).checkpoint for n in range(1, ROWS)]
    return case, kept


def told_by(key: SigningKey, checkpoint: Checkpoint) -> SignedCheckpoint:
    """Return a checkpoint as the owner of a key can sign it."""
    return read_checkpoint(signed(checkpoint.body, key).text)


@pytest.mark.parametrize("rows_at_a_time", [1, 2, 3, ROWS, 100])
def test_every_checkpoint_is_held_to_the_rows(
    grown: tuple[Case, list[SignedCheckpoint]],
    monkeypatch: pytest.MonkeyPatch,
    rows_at_a_time: int,
) -> None:
    """However many rows are read at a time, true checkpoints pass and each false one is found."""
    case, kept = grown
    monkeypatch.setattr(store, "CHUNK_ROWS", rows_at_a_time)
    assert tuple(range(1, ROWS + 1)) == case.verify(*kept).compared
    key = key_of(case)
    for size in range(1, ROWS + 1):
        other = Checkpoint(origin=ORIGIN, size=size, root=EMPTY_ROOT)
        with pytest.raises(
            DataError, match=f"other rows up to {size - 1}: they were written anew"
        ):
            case.verify(*kept, told_by(key, other))


def test_a_checkpoint_of_another_key_is_refused(
    grown: tuple[Case, list[SignedCheckpoint]],
) -> None:
    """A kept checkpoint that is true but that no key of the ledger signed is told as such."""
    case, kept = grown
    other = told_by(new_key(ORIGIN), kept[3].checkpoint)
    with pytest.raises(DataError, match="a checkpoint that was kept: is not signed with"):
        case.verify(other)


def test_a_checkpoint_of_no_rows_is_refused(
    grown: tuple[Case, list[SignedCheckpoint]],
) -> None:
    """A checkpoint of no rows, which no ledger signs, is not taken as kept from one."""
    case, _ = grown
    nothing = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    with pytest.raises(DataError, match="bring it back from a copy"):
        case.verify(told_by(key_of(case), nothing))


def test_rows_that_nobody_signed_are_found(tmp_path: Path) -> None:
    """Rows behind those of the head are refused, and no more than the whole is told as read."""
    case = new_case(tmp_path, [5])
    with closing(store.writer(case.ledger)) as connection:
        leaves = store.leaves_of(connection)
        store.put_head(connection, signed_head(Frontier().extended(leaves[:3]), key_of(case)))
    told: list[float] = []
    with pytest.raises(DataError, match=r"it holds \(6 rows\) is not .* signed \(of 3 rows\)"):
        verify(case.ledger, verifier_key(case.verifier_key), progress=told.append)
    assert [1.0] == told


def test_a_head_of_other_subtrees_is_refused(tmp_path: Path) -> None:
    """A head with the leaves in the place of their subtree has the root, and is damaged."""
    case = new_case(tmp_path, [1])
    with store.reading(case.ledger) as connection:
        leaves = store.leaves_of(connection)
    changed(case, "UPDATE head SET peaks = ?", b"".join(leaves))
    for act in (case.verify, lambda: case.append(job(9))):
        with pytest.raises(DataError, match="its head is damaged"):
            act()
