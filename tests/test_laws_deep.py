"""`make laws-deep` gives each law its examples, goes on where it was, and keeps what fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.laws.deep import Deep
from tests.laws.deep_found import Found
from tests.laws.deep_page import page

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

HEAD = "import pytest\nfrom hypothesis import given, strategies as st\n"
HOLDS = '@given(st.integers())\ndef test_i01_holds(x):\n    print("drawn", x)\n'
SHARED = (
    '@pytest.mark.parametrize("n", [1, 2])\n@given(st.integers())\n'
    "def test_i02_each(n, x):\n    pass\n"
)
FEW = "@given(st.booleans())\ndef test_i03_few(x):\n    pass\n"
BREAKS = "@given(st.integers())\ndef test_i04_breaks(x):\n    assert abs(x) < 300\n"
NO_LAW = "def test_no_law():\n    raise AssertionError\n"


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """Return a folder for what is found."""
    return tmp_path / "found"


def _run(pytester: pytest.Pytester, folder: Path, *, examples: int) -> pytest.HookRecorder:
    plugin = Deep(examples=examples, minutes=1.0, longest=60.0, found=Found(folder))
    return pytester.inline_run("-p", "no:cacheprovider", "-p", "no:xdist", plugins=[plugin])


def test_each_law_gets_its_examples(pytester: pytest.Pytester, found: Path) -> None:
    """All examples of a law, a share of them for each of its tests; what is no law is left."""
    pytester.makepyfile(test_x=HEAD + HOLDS + SHARED + FEW + NO_LAW)
    _run(pytester, found, examples=700).assertoutcome(passed=4)
    names = {name.partition("::")[2]: one for name, one in Found(found).all().items()}
    drawn = {name: one["examples"] for name, one in names.items()}
    assert drawn["test_i01_holds"] >= 700
    assert 350 <= drawn["test_i02_each[1]"] < 700
    assert 350 <= drawn["test_i02_each[2]"] < 700
    assert drawn["test_i03_few"] == 2
    assert names["test_i03_few"]["exhausted"]
    told = page(Found(found).all(), examples=700, minutes=1.0, slow=set())
    assert "3 laws" in told
    assert "3 of them on all that is asked for; all hold" in told


def test_one_test_without_more_examples_is_not_all() -> None:
    """A law tried on two is told as whole when both have had enough, not one of them."""
    few = {"outcome": "passed", "examples": 2, "seconds": 0.1, "exhausted": True}
    for examples, whole in ((349, 0), (350, 1)):
        part = {"outcome": "passed", "examples": examples, "seconds": 0.1}
        state = {"test_x.py::test_i02_each[1]": few, "test_x.py::test_i02_each[2]": part}
        told = page(state, examples=700, minutes=1.0, slow=set())
        assert f"{whole} of them on all that is asked for" in told


def test_it_goes_on_where_it_was(pytester: pytest.Pytester, found: Path) -> None:
    """What had enough is not run again, and what had a part gets the rest alone."""
    pytester.makepyfile(test_x=HEAD + HOLDS)
    _run(pytester, found, examples=600).assertoutcome(passed=1)
    first = Found(found).all()["test_x.py::test_i01_holds"]["examples"]
    _run(pytester, found, examples=600).assertoutcome()
    _run(pytester, found, examples=first + 1).assertoutcome(passed=1)
    again = Found(found).all()["test_x.py::test_i01_holds"]["examples"]
    assert first < again <= first + 500 + 10


def test_what_fails_is_kept_and_tried_anew(pytester: pytest.Pytester, found: Path) -> None:
    """A law that breaks is told with its example, until it holds on all its examples."""
    pytester.makepyfile(test_x=HEAD + BREAKS)
    _run(pytester, found, examples=600).assertoutcome(failed=1)
    one = Found(found).all()["test_x.py::test_i04_breaks"]
    assert one["outcome"] == "failed"
    assert "x=300" in one["text"] or "x=-300" in one["text"]
    assert "1 do not hold" in page(Found(found).all(), examples=600, minutes=1.0, slow=set())
    pytester.makepyfile(test_x=HEAD + BREAKS.replace("assert abs(x) < 300", "pass"))
    _run(pytester, found, examples=600).assertoutcome(passed=1)
    one = Found(found).all()["test_x.py::test_i04_breaks"]
    assert one["outcome"] == "passed"
    assert one["examples"] >= 600


def test_files_are_forgotten_one_by_one(found: Path) -> None:
    """`--again` begins anew with the files that are asked for, and leaves the others."""
    kept = Found(found)
    kept.keep("tests/test_a.py::test_i01", {"outcome": "passed", "examples": 3, "seconds": 0.1})
    kept.keep("tests/test_b.py::test_i02", {"outcome": "passed", "examples": 4, "seconds": 0.1})
    kept.forget(["tests/test_a.py"])
    assert list(Found(found).all()) == ["tests/test_b.py::test_i02"]


def test_laws_that_are_gone_are_forgotten(pytester: pytest.Pytester, found: Path) -> None:
    """A law that was renamed is told by its new name alone."""
    pytester.makepyfile(test_x=HEAD + FEW)
    _run(pytester, found, examples=600)
    pytester.makepyfile(test_x=HEAD + FEW.replace("few", "two"))
    _run(pytester, found, examples=600).assertoutcome(passed=1)
    assert list(Found(found).all()) == ["test_x.py::test_i03_two"]
