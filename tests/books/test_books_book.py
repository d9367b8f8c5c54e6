"""Three books: what each adds up, and that no two of them can be mixed."""

from __future__ import annotations

from typing import Any

import pytest

from greensched.accounting.books import Avoided, Inventory, Offsets, Range, Saved
from greensched.errors import DataError
from tests.books.cases import inventory, kg, line, offset, offsets

AVOIDED = Avoided(
    savings=(
        Saved(
            year=2023,
            name="tidal",
            baseline="autoscaled-1a2b",
            signal="average",
            low_mg=1,
            mid_mg=2,
            high_mg=3,
        ),
    )
)
BOOKS: dict[str, Any] = {
    "inventory": inventory(line()),
    "avoided": AVOIDED,
    "offsets": offsets(offset()),
}


@pytest.mark.parametrize(
    ("first", "second"), [(a, b) for a in BOOKS for b in BOOKS if a != b], ids=str
)
def test_two_books_cannot_be_added(first: str, second: str) -> None:
    """Adding two different books, in either order, is a TypeError."""
    with pytest.raises(TypeError, match="unsupported operand"):
        BOOKS[first] + BOOKS[second]


@pytest.mark.parametrize("name", BOOKS)
def test_no_book_is_subtracted_or_added_to_a_number(name: str) -> None:
    """No book can be subtracted, not even from its own kind, and none is a number."""
    for other in (*BOOKS.values(), 1, Range()):
        with pytest.raises(TypeError):
            BOOKS[name] - other
    with pytest.raises(TypeError):
        BOOKS[name] + 1
    with pytest.raises(TypeError):
        sum([BOOKS[name]])


def test_a_range_is_added_to_ranges_only() -> None:
    """Ranges add bound by bound; a range and a number do not."""
    assert Range(low_mg=1, mid_mg=3, high_mg=5) == Range(low_mg=1, mid_mg=2, high_mg=3) + Range(
        low_mg=0, mid_mg=1, high_mg=2
    )
    with pytest.raises(TypeError):
        Range() + 1  # type: ignore[operator]


def test_totals_take_one_method() -> None:
    """A total has scope 1, scope 3 and the scope 2 of one method, never of both."""
    books = inventory(
        line(scope=1, method="", emissions=kg(1)),
        line(emissions=kg(10)),
        line(method="market", emissions=kg(100, 90, 110)),
        line(scope=3, method="", emissions=kg(1_000)),
    )
    assert kg(1_011) == books.total("location")
    assert kg(1_101, 1_091, 1_111) == books.total("market")
    assert kg(100, 90, 110) == books.scopes("market", 2)
    assert kg(1) == books.scopes("location", 1)


def test_inventories_add() -> None:
    """Two inventories of one GWP set add line by line; two sets do not."""
    both = inventory(line()) + inventory(line(site="sh"))
    assert ["hz", "sh"] == [one.site for one in both.lines]
    with pytest.raises(DataError, match="AR6 and AR5 are not added"):
        inventory() + Inventory(gwp="AR5")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"scope": 4}, "scope 4 is not 1, 2 or 3"),
        ({"scope": 1}, "scope 1 has no methods"),
        ({"method": ""}, "scope 2 needs its method"),
        ({"signal": "marginal"}, "marginal factors are not allowed in an inventory"),
        ({"emissions": kg(1, 2)}, "do not rise from 0"),
        ({"emissions": kg(-1, -1)}, "do not rise from 0"),
    ],
)
def test_a_line_that_cannot_be_is_refused(changes: dict[str, Any], what: str) -> None:
    """A line of no scope, without its method, with a marginal signal or below zero is refused."""
    with pytest.raises(DataError, match=what):
        line(**changes)


def test_a_line_names_what_it_is_of() -> None:
    """A refused line of the whole company says so."""
    with pytest.raises(DataError, match="of the company: scope 2 needs"):
        line(site="", method="")


def test_gwp_sets_are_not_mixed() -> None:
    """A line in CO2e by another set is refused, one whose source does not say is kept."""
    assert 1 == len(inventory(line(gwp="unstated")).lines)
    with pytest.raises(DataError, match="factor grid: is weighed by AR4, the inventory by AR6"):
        inventory(line(gwp="AR4"))
    with pytest.raises(DataError, match="unknown GWP set 'AR7'"):
        Inventory(gwp="AR7")


@pytest.mark.parametrize("site", ["hz", ""])
def test_life_cycle_and_upstream_are_not_counted_twice(site: str) -> None:
    """Electricity by a life-cycle factor beside what is upstream of it is refused."""
    upstream = line(site=site, scope=3, method="", category="3 fuel- and energy-related")
    assert 2 == len(inventory(line(basis="direct"), upstream).lines)
    with pytest.raises(DataError, match="site hz: its electricity has a life-cycle factor"):
        inventory(line(basis="lifecycle"), upstream)


def test_upstream_of_another_site_is_no_matter() -> None:
    """What is upstream of one site does not concern the life-cycle factor of another."""
    upstream = line(site="sh", scope=3, method="", category="3 fuel- and energy-related")
    assert 2 == len(inventory(line(basis="lifecycle"), upstream).lines)


def test_avoided_is_summed_by_signal() -> None:
    """Savings by average and by marginal signal are listed together and summed apart."""
    marginal = Saved(
        year=2023,
        name="shifting",
        baseline="no-wait-3c",
        signal="marginal",
        low_mg=-5,
        mid_mg=-4,
        high_mg=-3,
    )
    both = AVOIDED + Avoided(savings=(marginal,))
    assert (2, -4) == (both.total_mg("average"), both.total_mg("marginal"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"owner": "users"}, "owned by users"),
        ({"retired": None}, "not retired"),
        ({"retired": 2022}, "retired for 2022"),
        ({"vintage": 2024}, "of 2024, later than the year"),
    ],
)
def test_only_own_retired_offsets_count(changes: dict[str, Any], reason: str) -> None:
    """An offset of somebody else, unretired, of another or of a later year is listed only."""
    book = offsets(offset(**changes))
    assert reason == book.why_not(book.offsets[0])
    assert (0 if reason else 10**9) == book.counted_mg


def test_offsets_add_for_one_owner_and_year() -> None:
    """Offsets of one owner and year add; a serial that comes twice is refused."""
    both = offsets(offset()) + offsets(offset(serial="2"))
    assert 2 * 10**9 == both.counted_mg
    with pytest.raises(DataError, match="offset CCER 1: is given twice"):
        offsets(offset()) + offsets(offset())
    with pytest.raises(DataError, match="acme for 2023 and users for 2023 are not added"):
        offsets() + Offsets(owner="users", year=2023)
