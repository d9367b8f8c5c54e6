"""The ledger's laws (I-29), and that nothing in its rows depends on how they came there (I-26)."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from greensched.errors import DataError
from greensched.ledger import (
    Ledger,
    prove_growth,
    prove_row,
    read_contents,
    read_kept,
    verifier_key,
)
from greensched.ledger.record import INTEGER_MAX, canonical
from greensched.ledger.text import read_records
from greensched.ledger.tree import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    roots_in,
    tree_root,
)
from tests.effort import examples
from tests.ledger import verifier
from tests.ledger.cases import Case, files, new_case
from tests.ledger.damage import FOUND, state

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = 25  # each makes ledgers on disk
on_disk = settings(max_examples=examples(EXAMPLES), suppress_health_check=[HealthCheck.too_slow])

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
WHOLE = st.integers(-(2**70), 2**70)
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def records(draw: Any, least: int = 0, most: int = 12) -> list[dict[str, Any]]:
    """Return records with keys of their own."""
    count = draw(st.integers(least, most))
    names = TEXTS.filter(lambda name: name not in {"key", "type", "supersedes"})
    return [
        {**draw(st.dictionaries(names, VALUES, max_size=4)), "key": f"job/{n}"}
        for n in range(count)
    ]


@st.composite
def batches(draw: Any, least: int = 0) -> list[list[dict[str, Any]]]:
    """Return records as they are appended: some at a time."""
    rest, parts = draw(records(least)), []
    while rest:
        count = draw(st.integers(1, len(rest)))
        parts.append(rest[:count])
        rest = rest[count:]
    return parts


@contextmanager
def ledger_of(parts: list[list[dict[str, Any]]]) -> Iterator[tuple[Case, list[str]]]:
    """Yield a ledger to which parts were appended, and its checkpoint after each."""
    with tempfile.TemporaryDirectory() as folder:
        case = new_case(Path(folder))
        kept = [case.verify().checkpoint.text]
        with Ledger(case.ledger, case.key_file) as opened:
            kept += [opened.append(part).checkpoint.text for part in parts]
        yield case, kept


# ------------------------------------------------------------------------------------------
# I-29: every prefix verifies, every change is found, what is exported is imported
# ------------------------------------------------------------------------------------------


@on_disk
@given(batches())
def test_i29_every_prefix_verifies(parts: list[list[dict[str, Any]]]) -> None:
    """The ledger continues each checkpoint that it ever had, and proves its growth from it."""
    with ledger_of(parts) as (case, kept):
        read = [read_kept(text) for text in kept]
        found = case.verify(*read)
        assert tuple(one.checkpoint.size for one in read) == found.compared
        for one in read:
            proof = prove_growth(case.ledger, one)
            assert proof.holds(one, verifier_key(case.verifier_key))
            verifier.check_growth(case.verifier_key, one.text, proof.text)


@on_disk
@given(batches(least=1), st.data())
def test_i29_any_one_bit_change_of_a_row_is_found(
    parts: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    """A bit of any record that turns round is found."""
    with ledger_of(parts) as (case, _):
        rows = [canonical(record) for part in parts for record in part]
        row, whole = data.draw(st.sampled_from(rows)), bytearray(case.ledger.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(row) - 1))
        whole[whole.index(row) + bit // 8] ^= 1 << bit % 8
        case.ledger.write_bytes(whole)
        assert FOUND == state(case)


@on_disk
@given(batches(), st.data())
def test_i29_any_one_bit_change_of_a_file_is_found_or_harmless(
    parts: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    """A bit of any file that turns round is found, or rows, root and checkpoint are the same."""
    with ledger_of(parts) as (case, _):
        before = state(case)
        path = data.draw(st.sampled_from([p for p in files(case.ledger) if p.stat().st_size]))
        whole = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(whole) - 1))
        whole[bit // 8] ^= 1 << bit % 8
        path.write_bytes(whole)
        assert state(case) in (FOUND, before)


@on_disk
@given(batches())
@example([[{"key": "job/0", "": {"\ue000": None, "\U00010000": None}}]])  # UTF-16 sorts otherwise
def test_i29_export_and_import_give_the_same_root(parts: list[list[dict[str, Any]]]) -> None:
    """An export appended to a new ledger gives the same root and export; strangers find it too."""
    with ledger_of(parts) as (case, kept), tempfile.TemporaryDirectory() as folder:
        text = case.export()
        verifier.check_export(case.verifier_key, kept[-1], text)
        other = new_case(Path(folder))
        other.append(*read_records(text, "export", json.loads(text)["origin"], "operated"))
        assert text == other.export()
        roots = {read_contents(c.ledger).checkpoint.checkpoint.root for c in (case, other)}
        assert 1 == len(roots)


@on_disk
@given(batches(least=1), st.data())
def test_i29_every_row_is_proved(parts: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    """The proof of any row holds for both verifiers, and for the record that was appended."""
    rows = [record for part in parts for record in part]
    number = data.draw(st.integers(0, len(rows) - 1))
    with ledger_of(parts) as (case, _):
        proof = prove_row(case.ledger, key=rows[number]["key"])
        assert proof.holds(verifier_key(case.verifier_key))
        found = verifier.check_row(case.verifier_key, proof.text)
        assert (number + 1, canonical(rows[number])) == (proof.row, found)


@on_disk
@given(batches(least=1), st.data())
def test_i29_no_key_is_taken_twice(parts: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    """Appending any of the rows again is refused, and changes nothing."""
    again = data.draw(st.sampled_from([record for part in parts for record in part]))
    with ledger_of(parts) as (case, kept):
        with pytest.raises(DataError, match="already"):
            case.append({"key": "new"}, again)
        assert kept[-1] == case.verify().checkpoint.text


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=70), st.data())
def test_i29_proofs_of_any_tree(leaves: list[bytes], data: st.DataObject) -> None:
    """Proofs of any leaf and any older size hold, for the independent verifier too."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    size, root = len(hashes), tree_root(hashes)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = inclusion_proof(roots_in(hashes), len(hashes), index)
    assert is_included(hashes[index], index, size, path, root)
    assert root == verifier.climb(hashes[index], index, size, list(path)) == verifier.root(hashes)
    before, grown = tree_root(hashes[:old]), consistency_proof(roots_in(hashes), len(hashes), old)
    assert is_consistent(old, before, size, root, grown)
    assert (before, root) == verifier.grow(old, size, list(grown), before)


# ------------------------------------------------------------------------------------------
# I-26: the same rows give the same bytes
# ------------------------------------------------------------------------------------------


@on_disk
@given(batches())
def test_i26_batches_change_nothing(parts: list[list[dict[str, Any]]]) -> None:
    """Rows appended one by one, in batches or at once give the same root and export."""
    rows = [record for part in parts for record in part]
    with (
        ledger_of(parts) as (some, _),
        ledger_of([[r] for r in rows]) as (single, _),
        ledger_of([rows]) as (at_once, _),
    ):
        assert some.export() == single.export() == at_once.export()


@given(st.lists(st.binary(max_size=3), max_size=80), st.data())
def test_i26_frontier_depends_on_leaves_alone(leaves: list[bytes], data: st.DataObject) -> None:
    """A tree that grew in parts has the frontier of one that grew at once, and its root."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    cut = data.draw(st.integers(0, len(hashes)))
    parts = Frontier().extended(hashes[:cut]).extended(hashes[cut:])
    assert Frontier().extended(hashes) == parts
    assert tree_root(hashes) == parts.root


@given(st.dictionaries(TEXTS, VALUES, max_size=6), st.randoms())
def test_i26_order_of_names_changes_nothing(record: dict[str, Any], chance: Any) -> None:
    """A record has the same bytes whatever the order of its names, and reads back the same."""
    names = list(record)
    chance.shuffle(names)
    assert canonical(record) == canonical({name: record[name] for name in names})
    assert canonical(record) == canonical(json.loads(canonical(record)))


@given(WHOLE)
def test_i26_whole_numbers_stay_whole(number: int) -> None:
    """A whole number reads back as itself, beyond 2^53 - 1 as its digits."""
    read = json.loads(canonical({"n": number}))["n"]
    assert (number if abs(number) <= INTEGER_MAX else str(number)) == read
