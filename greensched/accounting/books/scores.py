"""What is told of a site's year beside its lines: shares, the 24/7 score and indicators."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.books.activities import measured
from greensched.accounting.books.indicators import Measures, indicators
from greensched.accounting.books.market import cfe_annual, cfe_hourly
from greensched.units import MWH_MILLI_PER_KWH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.accounting.books.activities import Activity
    from greensched.accounting.books.book import Inventory
    from greensched.accounting.books.electricity import Electricity, SiteBook
    from greensched.accounting.books.market import Contract, Matched
    from greensched.accounting.books.supply import Supply
    from greensched.model import IntArray

OWN_SCOPES: Final = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How clean a site's supply was; the hourly ones are None where its hours are not known.

    `renewable_mwh` [mWh] is what contracts of renewable plants and PV covered in the way that
    the inventory matched.
    """

    renewable_mwh: int
    renewable_hourly_share: Fraction | None
    cfe_annual_share: Fraction | None
    cfe_hourly_share: Fraction | None


def scores(book: SiteBook, by_hour: Matched | None) -> Scores:
    """Return the scores of a site; `by_hour` is what contracts covered hour by hour, if known."""
    renewable_mwh = _covered(book.matched, book.contracts, book.supply, is_renewable=True)
    use = book.supply.load_mwh
    grid = book.terms.grid_cfe
    hourly_cfe = hourly_share = None
    if by_hour is not None:
        free = _covered(by_hour, book.contracts, book.supply, is_renewable=False)
        hourly_cfe = cfe_hourly(use, free, [grid])
        hourly_share = cfe_hourly(
            use,
            _covered(by_hour, book.contracts, book.supply, is_renewable=True),
            [Fraction(0)],
        )
    free = _covered(book.matched, book.contracts, book.supply, is_renewable=False)
    return Scores(
        renewable_mwh=int(renewable_mwh.sum()),
        renewable_hourly_share=hourly_share,
        cfe_annual_share=cfe_annual(use, free, grid),
        cfe_hourly_share=hourly_cfe,
    )


def _covered(
    matched: Matched, contracts: Sequence[Contract], supply: Supply, *, is_renewable: bool
) -> IntArray:
    """Return what PV and contracts, or only those of renewable plants, cover, int64[H] [mWh]."""
    chosen = [k for k, c in enumerate(contracts) if c.is_renewable or not is_renewable]
    total: IntArray = matched.by_contract_mwh[:, chosen].sum(axis=1, dtype=np.int64)
    return total + supply.pv_used_mwh


def told(
    electricity: Sequence[Electricity],
    renewable_mwh: int,
    gross: Inventory,
    activities: Sequence[Activity],
    site: str | None = None,
) -> dict[str, Fraction | None]:
    """Return the indicators of a site, or of the company; emissions are of scopes 1 and 2."""
    facility_mwh = sum(int(one.load_mwh.sum()) for one in electricity)
    it_mwh = [int(one.it_mwh.sum()) for one in electricity if one.it_mwh is not None]
    is_metered = len(it_mwh) == len(electricity)  # a PUE of a part of the sites is none
    emissions = gross.total(
        "location", lambda line: line.scope in OWN_SCOPES and site in (None, line.site)
    )
    reused = measured(activities, "heat_reused", site)
    return indicators(
        Measures(
            energy_it_mwh=sum(it_mwh) if is_metered else 0,
            energy_facility_mwh=facility_mwh,
            emissions_mg=emissions.mid_mg,
            renewable_mwh=min(renewable_mwh, facility_mwh),
            reused_mwh=None if reused is None else round(reused * MWH_MILLI_PER_KWH),
            water_l=measured(activities, "water", site),
            core_h_used=measured(activities, "core_h_used", site),
            core_h_held=measured(activities, "core_h_held", site),
        )
    )
