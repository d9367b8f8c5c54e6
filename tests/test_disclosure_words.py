"""Words of a statement: digits of ranges, and what is told as not reckoned."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from greensched.report.disclosure.notes import _not_reckoned
from greensched.report.disclosure.sections import tonnes
from tests.books.cases import line


@pytest.mark.parametrize(
    ("low", "mid", "high", "told"),
    [
        (38_633.0, 39_704.9, 41_230.3, "39,700 (38,600 .. 41,200)"),
        (810.0, 1_170.0, 1_890.0, "1,200 (800 .. 1,900)"),
        (1.21, 1.24, 1.26, "1.2 (1.2 .. 1.3)"),
        (276.34, 276.34, 276.34, "276.3"),
    ],
)
def test_a_range_has_no_more_digits_than_it_allows(
    low: float, mid: float, high: float, told: str
) -> None:
    """The last digit is the second of the range's width; what is exact has one decimal."""
    assert told == tonnes({"low_t": low, "mid_t": mid, "high_t": high})


def test_what_a_life_cycle_factor_holds_is_not_told_as_left_out() -> None:
    """Of three sites one has all upstream in its factor, one nothing, one no electricity."""
    lines = [
        line(site="whole", basis="lifecycle"),
        line(site="plain", basis="direct"),
        line(site="idle", scope=3, method=""),
    ]
    sites = [
        SimpleNamespace(name=name, upstream_factor=None, losses_factor="losses")
        for name in ("whole", "plain", "idle")
    ]
    given: Any = SimpleNamespace(
        now=SimpleNamespace(inventory=SimpleNamespace(lines=lines)),
        company=SimpleNamespace(spec=SimpleNamespace(sites=sites)),
    )
    assert ["plain: no upstream_factor: what is upstream is not reckoned"] == _not_reckoned(given)
