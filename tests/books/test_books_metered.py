"""Electricity by the hour from a ledger's entries, and ways to cool a site with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from greensched.accounting.books import Cooling, OnSite, Range, Year, cooled, metered, year_books
from greensched.errors import DataError
from greensched.units import MS_PER_H
from tests.books.test_books_supply import ints
from tests.books.test_books_year import SITE, TABLE, hourly, known, terms

if TYPE_CHECKING:
    from greensched.accounting.books import Metered

START_MS = 1_000 * MS_PER_H
YEAR = Year(year=2023, start_ms=START_MS, hours=4)
NONE: frozenset[str] = frozenset()


def entry(hour: float, length_h: float, mg: int, **changes: Any) -> dict[str, Any]:
    """Return an entry of `hz` from `hour` on, whose amounts follow from `mg`."""
    start = START_MS + round(hour * MS_PER_H)
    return {
        "type": "entry",
        "key": f"run/{hour}-{mg}",
        "run": "operated",
        "site": "hz",
        "category": "purchased electricity",
        "start_utc_ms": start,
        "end_utc_ms": start + round(length_h * MS_PER_H),
        "energy_it_mwh": mg,
        "energy_facility_mwh": 2 * mg,
        "emissions_low_mg": mg,
        "emissions_mg": mg,
        "emissions_high_mg": 3 * mg,
        "factor_id": "grid",
        "factor_sha256": "ab",
        "factor_vintage": "2023",
        "basis": "direct",
        "signal": "average",
        "quality": "measured",
        **changes,
    }


def told(*records: dict[str, Any], elsewhere: frozenset[str] = NONE) -> Metered:
    """Return what the records say of the year."""
    superseded = frozenset(r["supersedes"] for r in records if "supersedes" in r)
    found = metered(records, [YEAR], superseded=superseded, priced_elsewhere=elsewhere)
    return found[2023]


def test_entries_are_summed_by_the_hour() -> None:
    """Entries within hours are summed in them; what is before or after the year is left out."""
    found = told(
        entry(0, 1, 5),
        entry(0.5, 0.5, 6),
        entry(2, 1, 7),
        entry(-1, 1, 100),
        entry(4, 1, 100),
    )
    one = found.electricity[0]
    assert one.it_mwh is not None
    assert one.priced is not None
    assert [11, 0, 7, 0] == one.it_mwh.tolist()
    assert [22, 0, 14, 0] == one.load_mwh.tolist()
    assert [33, 0, 21, 0] == one.priced.high_mg.tolist()
    assert ("hz: no energy in 2 of 4 hours, which count nothing",) == found.notes


def test_a_full_year_has_no_notes() -> None:
    """Where every hour has energy nothing has to be told of them."""
    assert () == told(*(entry(hour, 1, 5) for hour in range(4))).notes


def test_an_entry_across_an_hour_is_split_by_time() -> None:
    """A quarter before and three after the hour: parts go by time and sum to the entry."""
    found = told(entry(0.75, 1, 10))
    assert found.electricity[0].priced is not None
    assert [2, 8, 0, 0] == found.electricity[0].priced.mid_mg.tolist()


def test_an_entry_across_the_years_end_is_split() -> None:
    """Of an entry that begins before the year or ends after it, the year has its part by time."""
    found = told(entry(-0.5, 1, 10), entry(3.75, 1, 100))
    assert found.electricity[0].priced is not None
    assert [5, 0, 0, 25] == found.electricity[0].priced.mid_mg.tolist()


def test_long_entries_make_the_year_one_interval() -> None:
    """An entry longer than an hour leaves a site without hours, and that is told."""
    found = told(entry(0, 2, 10), entry(3, 1, 5))
    assert [30] == found.electricity[0].load_mwh.tolist()
    assert ("hz: entries longer than an hour, so that its hours are not known",) == found.notes


def test_a_baseline_was_never_emitted() -> None:
    """Entries of a baseline are in no inventory; what they exceed the run by was avoided."""
    run = {"type": "run", "key": "run", "name": "tidal", "baseline_id": "autoscaled-1"}
    found = told(run, entry(0, 1, 10), entry(0, 1, 14, run="baseline", key="run/9"))
    assert 10 == int(found.electricity[0].load_mwh.sum()) // 2
    saved = found.avoided.savings[0]
    assert ("tidal", "autoscaled-1", "ledger run") == (saved.name, saved.baseline, saved.origin)
    assert (4, 4, 12) == (saved.low_mg, saved.mid_mg, saved.high_mg)


def test_a_run_without_its_own_row_is_named_by_its_key() -> None:
    """A baseline alone, of a run that nothing is told of, avoided all of itself."""
    found = told(entry(0, 1, 14, run="baseline", emissions_low_mg=9))
    saved = found.avoided.savings[0]
    assert ("run", "baseline") == (saved.name, saved.baseline)
    assert (9, 14, 42) == (saved.low_mg, saved.mid_mg, saved.high_mg)
    assert () == found.electricity


def test_settlements_are_what_waiting_avoided() -> None:
    """Settled jobs of the year are in the avoided book by signal, a corrected one once."""
    rows = [
        {
            "type": "settlement",
            "key": f"batch/q/{job}",
            "created_utc_ms": START_MS + hour * MS_PER_H,
            "saved_mg": saved,
            "intensity": {"signal": signal},
        }
        for job, hour, saved, signal in (
            (1, 0, 5, "average"),
            (2, 1, -3, "average"),
            (3, 2, 8, "marginal"),
            (4, 9, 99, "average"),
        )
    ]
    corrected = {**rows[0], "key": "batch/q/1/actual", "saved_mg": 4, "supersedes": "batch/q/1"}
    found = told(*rows, corrected).avoided
    assert (1, 8) == (found.total_mg("average"), found.total_mg("marginal"))
    assert {"waiting for clean hours"} == {saved.name for saved in found.savings}


def test_embodied_is_kept_apart() -> None:
    """Time-linear shares of machines are no electricity; a baseline's are left out."""
    share = {"category": "2 capital goods", "energy_it_mwh": 0, "energy_facility_mwh": 0}
    found = told(
        entry(0, 1, 5, **share),
        entry(1, 1, 6, run="baseline", **share),
        entry(2, 1, 1, category="x"),
    )
    assert Range(low_mg=5, mid_mg=5, high_mg=15) == found.embodied
    assert () == found.electricity


@pytest.mark.parametrize("supersedes", ["run/0-5", "run"])
def test_what_is_superseded_counts_nothing(supersedes: str) -> None:
    """An entry that a later row corrects, alone or with its run, is left out."""
    right = {"type": "entry", "key": "other/1", "supersedes": supersedes}
    found = told(entry(0, 1, 5), {**entry(0, 1, 9), **right})
    assert [18, 0, 0, 0] == found.electricity[0].load_mwh.tolist()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"basis": "lifecycle"}, "lifecycle factors, not direct ones; name a direct grid_factor"),
        ({"basis": "unstated"}, "unstated factors"),
        ({"signal": "marginal"}, "marginal factors"),
    ],
)
def test_only_direct_average_factors_price_an_inventory(
    changes: dict[str, Any], what: str
) -> None:
    """Life-cycle, unstated and marginal factors are refused where no grid factor stands in."""
    with pytest.raises(DataError, match=f"site hz: its entries of 2023 have {what}"):
        told(entry(0, 1, 5, **changes))
    assert 1 == len(told(entry(0, 1, 5, **changes), elsewhere=frozenset({"hz"})).electricity)


def test_several_factors_and_the_worst_quality_are_told() -> None:
    """A site's line names up to three of its factors and has the worst of their qualities."""
    found = told(
        *(
            entry(i / 4, 0.25, 5, factor_id=f"f{i}", factor_vintage=f"{2020 + i}")
            for i in range(4)
        ),
        entry(2, 1, 5, quality="filled", factor_id="f0", factor_vintage="2020"),
        entry(3, 1, 5, quality="modelled", factor_id="f0", factor_vintage="2020"),
    ).electricity[0]
    assert found.priced is not None
    assert ("f0, f1, f2 and 1 more", "ab", "2020, 2021, 2022", "filled") == (
        found.priced.factor_id,
        found.priced.factor_sha256,
        found.priced.factor_vintage,
        found.quality,
    )


def test_years_are_read_together() -> None:
    """An entry across two years is in both, and its parts sum to it."""
    after = Year(year=2024, start_ms=YEAR.end_ms, hours=4)
    found = metered([entry(3.5, 1, 11)], [YEAR, after], superseded=NONE, priced_elsewhere=NONE)
    parts = [int(one.electricity[0].load_mwh.sum()) for one in found.values()]
    assert [11, 11] == parts


FREE = Cooling(
    name="free",
    temperatures_c=np.array([0.0, 40.0]),
    load_shares=np.array([0.0, 1.0]),
    pue=np.array([[1.1, 1.1], [1.5, 1.5]]),
)


def test_a_cooling_over_a_years_weather() -> None:
    """Two hours of 80 MWh of IT at 0 and 40 C take 208 MWh, of which PV covers 50: 79 t."""
    books = year_books(
        terms(),
        TABLE,
        known(hourly(100, 100), on_site={"hz": OnSite(pv_mwh=ints(0, 50) * 10**9)}),
    )
    found = cooled(books.sites[0].book, FREE, np.array([0.0, 40.0]), 100e6)
    assert (208 * 10**9, 1.3) == (found.facility_mwh, found.pue)
    assert 79 * 10**9 == found.scope2_location.mid_mg


def test_a_cooling_over_a_years_load() -> None:
    """80 MWh of IT in an hour are 80 % of 100 MW, at which this table has a PUE of 1.8."""
    steep = replace(FREE, pue=np.array([[1.0, 2.0], [1.0, 2.0]]))
    books = year_books(terms(), TABLE, known(hourly(100, 100)))
    found = cooled(books.sites[0].book, steep, np.array([0.0, 40.0]), 100e6)
    assert (288 * 10**9, 1.8) == (found.facility_mwh, found.pue)


@pytest.mark.parametrize("one", [hourly(100, it_mwh=None), hourly(100)])
def test_coolings_need_hours(one: Any) -> None:
    """Without IT energy by the hour coolings cannot be compared, and are not."""
    books = year_books(terms(site=SITE), TABLE, known(one))
    with pytest.raises(DataError, match="site hz: its IT energy by the hour is not known"):
        cooled(books.sites[0].book, FREE, np.array([0.0, 40.0]), 100e6)
