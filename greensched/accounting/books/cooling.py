"""Ways to cool one site, each a table of PUE over outdoor temperature and load.

Between the table's points PUE is bilinear; beyond them it is not known, and asking is an error.
The table is the operator's or maker's: none is built in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting.books.supply import supplied
from greensched.accounting.factors import PUE_LIMIT
from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from greensched.accounting.books.book import Range
    from greensched.accounting.books.electricity import SiteBook
    from greensched.model import FloatArray, IntArray


MWH_MILLI_PER_WH: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooling:
    """PUE `pue[i, j]` at outdoor temperature `temperatures_c[i]` [C] and load `load_shares[j]`.

    Both axes rise; a load share is IT power over what the site can carry. Raises DataError where
    shapes do not match or a PUE is not in 1 .. 3.
    """

    name: str
    temperatures_c: FloatArray
    load_shares: FloatArray
    pue: FloatArray

    def __post_init__(self) -> None:
        """Check the table."""
        axes = (self.temperatures_c, self.load_shares)
        where = f"cooling {self.name}"
        if self.pue.shape != tuple(map(len, axes)) or not self.pue.size:
            what = f"a table of shape {self.pue.shape} for axes of {tuple(map(len, axes))}"
            raise DataError(Finding(where=where, what=what))
        if any(bool(np.any(np.diff(axis) <= 0)) for axis in axes):
            raise DataError(Finding(where=where, what="temperatures or loads do not rise"))
        if not bool(np.all((self.pue >= 1.0) & (self.pue <= PUE_LIMIT))):
            what = f"a PUE is not in 1 .. {PUE_LIMIT:g}"
            remedy = "PUE is facility energy / IT energy"
            raise DataError(Finding(where=where, what=what, remedy=remedy))

    def at(self, temperatures_c: FloatArray, load_shares: FloatArray) -> FloatArray:
        """Return the PUE float64[H]; raises DataError beyond the table's temperatures or loads."""
        low, high = _place(f"cooling {self.name}, outdoor C", self.temperatures_c, temperatures_c)
        left, right = _place(f"cooling {self.name}, load share", self.load_shares, load_shares)
        across = _weight(self.temperatures_c, low, high, temperatures_c)
        along = _weight(self.load_shares, left, right, load_shares)
        cold = self.pue[low, left] * (1 - along) + self.pue[low, right] * along
        warm = self.pue[high, left] * (1 - along) + self.pue[high, right] * along
        between: FloatArray = cold * (1 - across) + warm * across
        return between


def _place(where: str, axis: FloatArray, values: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the neighbours of each value on an axis."""
    outside = ~((values >= axis[0]) & (values <= axis[-1]))
    if bool(np.any(outside)):
        value = float(values[np.flatnonzero(outside)[0]])
        what = f"{value:g} is beyond the table, {axis[0]:g} .. {axis[-1]:g}"
        raise DataError(Finding(where=where, what=what, remedy="extend the table"))
    high = np.clip(np.searchsorted(axis, values), 0, len(axis) - 1)
    return np.maximum(high - 1, 0), high


def _weight(axis: FloatArray, low: IntArray, high: IntArray, values: FloatArray) -> FloatArray:
    """Return how far each value is from its lower neighbour to its upper one, 0..1."""
    span = np.where(high > low, axis[high] - axis[low], 1.0)
    weight: FloatArray = np.where(high > low, (values - axis[low]) / span, 0.0)
    return weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooled:
    """A site's year under a cooling: energy, mean PUE and location-based emissions."""

    name: str
    facility_mwh: int
    pue: float
    scope2_location: Range


def cooled(
    book: SiteBook, cooling: Cooling, temperatures_c: FloatArray, capacity_w: float
) -> Cooled:
    """Return what the IT energy of a site's hours would take under a cooling, at its weather.

    `temperatures_c` float64[H] [C] outside; `capacity_w` [W] of IT power. What is made on site is
    as it was, the rest imported at each hour's intensity. Raises DataError where the site's hours
    or its IT energy are not known.
    """
    it_mwh = book.electricity.it_mwh
    if it_mwh is None or len(it_mwh) != len(temperatures_c):
        what = "its IT energy by the hour is not known, so that coolings cannot be compared"
        raise DataError(Finding(where=f"site {book.terms.name}", what=what))
    energy = facility_mwh(cooling, it_mwh, temperatures_c, round(capacity_w * MWH_MILLI_PER_WH))
    supply = book.supply
    other = supplied(
        energy,
        pv_mwh=supply.pv_used_mwh + supply.pv_surplus_mwh,
        genset_mwh=supply.genset_mwh,
        discharge_mwh=supply.discharge_mwh,
        charge_mwh=supply.charge_mwh,
        where=f"site {book.terms.name} under {cooling.name}",
    )
    return Cooled(
        name=cooling.name,
        facility_mwh=int(energy.sum()),
        pue=int(energy.sum()) / max(1, int(it_mwh.sum())),
        scope2_location=book.by_location(other.import_mwh).emissions,
    )


def facility_mwh(
    cooling: Cooling, it_mwh: IntArray, temperatures_c: FloatArray, capacity_mwh: int
) -> IntArray:
    """Return the facility energy int64[H] [mWh] of IT energy `it_mwh` int64[H] [mWh].

    `capacity_mwh` [mWh] is the IT energy of an interval at full load. Rounded to whole mWh.
    """
    pue = cooling.at(temperatures_c, it_mwh / capacity_mwh)
    whole: IntArray = np.rint(it_mwh * pue).astype(np.int64)
    return whole
