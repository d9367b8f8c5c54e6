"""Mutants are found and put in as meant, and the six named ones die."""

from __future__ import annotations

import subprocess
import sys

import pytest

from greensched.accounting import lmdi
from tests.conftest import ROOT
from tests.mutation.apply import put_in_tree
from tests.mutation.mutants import changed, mutants
from tests.mutation.named import NAMED
from tests.mutation.page import equivalents

SOURCE = '''\
"""Text."""
LIMIT: Final = 3
def first(values: list[int], *, strict: bool = True) -> int:
    """Return something."""
    assert len(values) > 0
    return min(values) + LIMIT if len(values) <= 2 and values else -1
'''


def test_where_a_source_is_changed() -> None:
    """Operators, comparisons, numbers, names: not text, annotations or assertions."""
    found = [(m.function, m.line, m.what) for m in mutants("m", SOURCE)]
    assert [("", 2, "3 -> 4"), ("first", 3, "True -> False")] == found[:2]
    body = {what for function, line, what in found if line == 6}
    assert {"Add -> Sub", "LtE -> Lt", "And -> Or", "min -> max", "2 -> 3"} <= body
    assert not [m for m in found if m[1] == 5]


def test_a_key_holds_until_its_function_changes() -> None:
    """Lines above a function change no key, a change within it changes all of its own."""
    before = {m.key for m in mutants("m", SOURCE) if m.function}
    moved = {m.key for m in mutants("m", "# more\n\n" + SOURCE) if m.function}
    other = {m.key for m in mutants("m", SOURCE.replace("<= 2", "<= 5")) if m.function}
    assert before == moved
    assert not before & other


def test_one_change_is_one_mutant() -> None:
    """Each mutant's tree differs from the source, and from that of every other mutant."""
    import ast

    texts = {ast.unparse(changed(SOURCE, m.number)) for m in mutants("m", SOURCE)}
    assert len(mutants("m", SOURCE)) == len(texts)
    assert ast.unparse(ast.parse(SOURCE)) not in texts


def test_a_mutant_runs_once_it_is_put_in() -> None:
    """The code of a function is replaced where it stands, for whoever imported it."""
    import ast

    was = lmdi.log_mean.__code__
    source = (ROOT / "greensched/accounting/lmdi.py").read_text(encoding="utf-8")
    tree = ast.parse(source.replace("(high - low) / low", "(high + low) / low"))
    try:
        put_in_tree("greensched.accounting.lmdi", "log_mean", tree)
        assert lmdi.log_mean.__code__ != was
    finally:
        lmdi.log_mean.__code__ = was
    assert 1.4426950408889634 == pytest.approx(lmdi.log_mean(1.0, 2.0))
    with pytest.raises(LookupError):
        put_in_tree("greensched.accounting.lmdi", "log_mean", ast.parse(source))


def test_equivalents_have_reasons() -> None:
    """Each mutant that is taken for equivalent says why."""
    assert all(len(why) > 10 for why in equivalents().values())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(NAMED))
def test_named_mutant_dies(name: str) -> None:
    """With the fault in place the tests that have to see it fail."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation.named", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-2_000:] + done.stderr[-2_000:]
