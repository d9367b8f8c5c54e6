"""Proofs by the kept roots of groups: the same as of all rows, and never wrong where damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from greensched.errors import DataError
from greensched.ledger import Ledger, prove_growth, prove_row, store, verifier_key
from greensched.ledger.groups import GROUP, KeptTree
from greensched.ledger.tree import consistency_proof, inclusion_proof, roots_in, tree_root
from tests.ledger import verifier
from tests.ledger.cases import Case, job, new_case
from tests.ledger.test_ledger_damage import changed

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.ledger import SignedCheckpoint

SIZES = (1, 2, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP, 3 * GROUP + 7, 5 * GROUP)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, dict[int, SignedCheckpoint]]:
    """Return a ledger of five groups of rows, and its checkpoint at each of some sizes."""
    case, kept = new_case(tmp_path_factory.mktemp("groups")), {}
    with Ledger(case.ledger, case.key_file) as ledger:
        size = 1
        for until in SIZES:
            at = ledger.append(job(n) for n in range(size, until)).checkpoint
            kept[until], size = at, until
    return case, kept


def leaves(case: Case) -> list[bytes]:
    """Return all leaf hashes of a ledger."""
    with store.reading(case.ledger) as connection:
        return store.leaves_of(connection)


def test_kept_roots_prove_what_all_rows_prove(
    grown: tuple[Case, dict[int, SignedCheckpoint]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths by groups are those of all leaves, for both verifiers, and read no other rows."""
    case, kept = grown
    every = roots_in(leaves(case))
    monkeypatch.setattr(store, "leaves_of", None)  # nobody reads them all
    for row in (0, 1, GROUP - 1, GROUP, 3 * GROUP + 6, SIZES[-1] - 1):
        proof = prove_row(case.ledger, row)
        assert inclusion_proof(every, SIZES[-1], row) == proof.path
        assert proof.record == verifier.check_row(case.verifier_key, proof.text)
    for size, old in kept.items():
        growth = prove_growth(case.ledger, old)
        assert consistency_proof(every, SIZES[-1], size) == growth.path
        verifier.check_growth(case.verifier_key, old.text, growth.text)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_has_its_groups(
    grown: tuple[Case, dict[int, SignedCheckpoint]], tmp_path: Path, size: int
) -> None:
    """However rows came, one by one or many at once, the same roots are kept."""
    every = leaves(grown[0])
    case = new_case(tmp_path, [size - 1] if size > 1 else [])
    with store.reading(case.ledger) as connection:
        tree = KeptTree(connection, size)
        assert roots_in(leaves(case))(0, size) == tree.root(0, size)
        found = connection.execute("SELECT count(*) FROM groups").fetchone()[0]
    assert size // GROUP == found
    assert size <= len(every)


def test_groups_of_the_format(grown: tuple[Case, dict[int, SignedCheckpoint]]) -> None:
    """As the format has it, group n is the root of the 256 rows from row 256 n on."""
    every = leaves(grown[0])
    expected = [(n, tree_root(every[256 * n : 256 * n + 256])) for n in range(5)]
    with store.reading(grown[0].ledger) as connection:
        assert expected == connection.execute("SELECT * FROM groups ORDER BY number").fetchall()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM groups WHERE number = 1",
        "UPDATE groups SET hash = zeroblob(32) WHERE number = 0",
        "UPDATE groups SET number = 9 WHERE number = 2",
        "UPDATE groups SET hash = 7 WHERE number = 1",
    ],
)
def test_damaged_groups_prove_nothing_wrong(tmp_path: Path, statement: str) -> None:
    """Where kept roots are gone or others, proofs are made of all rows, and hold."""
    case = new_case(tmp_path, [4 * GROUP])
    old = case.verify().checkpoint
    case.append(job(9_999))
    changed(case, statement)
    key = verifier_key(case.verifier_key)
    assert prove_row(case.ledger, 3 * GROUP).holds(key)
    assert prove_growth(case.ledger, old).holds(old, key)
    assert 4 * GROUP + 2 == case.verify(thorough=True).checkpoint.checkpoint.size


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM rows WHERE row = 5", "UPDATE rows SET leaf_hash = 7 WHERE row = 5"],
)
def test_rows_that_are_gone_are_not_proved(tmp_path: Path, statement: str) -> None:
    """A row's proof is refused where its own group has lost a row."""
    case = new_case(tmp_path, [2 * GROUP])
    changed(case, statement)
    with pytest.raises(DataError, match="a row is not what was appended"):
        prove_row(case.ledger, 7)


def test_a_ledger_of_format_1_has_no_groups(tmp_path: Path) -> None:
    """A ledger without the table is appended to, and proved by all of its rows."""
    case = new_case(tmp_path, [2 * GROUP])
    with closing(sqlite3.connect(case.ledger)) as connection:
        connection.execute("DROP TABLE groups")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    old = case.verify().checkpoint
    assert 3 * GROUP + 1 == case.append(*(job(9_000 + n) for n in range(GROUP)))
    key = verifier_key(case.verifier_key)
    assert prove_row(case.ledger, 300).holds(key)
    assert prove_growth(case.ledger, old).holds(old, key)
