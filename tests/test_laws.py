"""The page of laws is current, and its tests are tests of laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.laws.page import FOLDER, PAGE, laws_in, page
from tests.laws.statements import LAWS

if TYPE_CHECKING:
    from pathlib import Path

LEAST = 30


def test_page_is_current() -> None:
    """docs/reference/laws.md is what `python -m tests.laws.page` makes of the tests."""
    assert page(laws_in(ROOT / FOLDER)) == PAGE.read_text(encoding="utf-8")


def test_at_least_thirty_laws_are_held() -> None:
    """Thirty of the laws or more have a test by hypothesis that carries their id."""
    held = {law for one in laws_in(ROOT / FOLDER) if one.drawn for law in one.ids}
    assert held <= set(LAWS)
    assert LEAST <= len(held)


def test_a_law_without_a_drawn_test_is_open(tmp_path: Path) -> None:
    """An id is read from the head of a name alone, and a test that draws nothing holds nothing."""
    text = "def test_i01_i02_a_b_i03_c():\n    pass\n\n@given(x)\ndef test_i04_d():\n    pass\n"
    (tmp_path / "test_x.py").write_text(text)
    found = laws_in(tmp_path)
    assert [("I-01", "I-02"), ("I-04",)] == [one.ids for one in found]
    text = page(found)
    assert "| I-01 conservation of work | work done" in text
    assert 1 == text.count("| held |")
    (tmp_path / "test_x.py").write_text("def test_i77_z():\n    pass\n")
    with pytest.raises(KeyError):
        page(laws_in(tmp_path))
