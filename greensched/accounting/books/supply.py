"""Where a site's electricity comes from, interval by interval: the grid's part is scope 2.

    import = load + battery charge - genset - battery discharge - PV used
    PV used = min(PV, load + charge - genset - discharge)

What PV makes beyond that is surplus: it is listed, and lowers nothing. A genset's fuel is scope 1
and not priced here. All amounts are whole milliwatt-hours, so the balance is an equality.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from greensched.model import IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What covered a site's load: int64[H] [mWh] each."""

    load_mwh: IntArray
    import_mwh: IntArray
    pv_used_mwh: IntArray
    pv_surplus_mwh: IntArray
    genset_mwh: IntArray
    discharge_mwh: IntArray
    charge_mwh: IntArray


def supplied(
    load_mwh: IntArray,
    *,
    pv_mwh: IntArray | None = None,
    genset_mwh: IntArray | None = None,
    discharge_mwh: IntArray | None = None,
    charge_mwh: IntArray | None = None,
    where: str = "supply",
) -> Supply:
    """Return what covers `load_mwh` int64[H] >= 0 [mWh], given what is made on site.

    Raises DataError where gensets and batteries give more than is used, a series is negative or
    of another length.
    """
    nothing = np.zeros(len(load_mwh), np.int64)
    given = {"PV": pv_mwh, "genset": genset_mwh, "discharge": discharge_mwh, "charge": charge_mwh}
    series = {name: nothing if one is None else one for name, one in given.items()}
    found = [
        Finding(where=f"{where}, {name}", what="is negative, or of another length than the load")
        for name, one in {"load": load_mwh, **series}.items()
        if len(one) != len(load_mwh) or bool(np.any(one < 0))
    ]
    if found:
        raise DataError(*found)
    left = load_mwh + series["charge"] - series["genset"] - series["discharge"]
    if bool(np.any(left < 0)):
        k = int(np.flatnonzero(left < 0)[0])
        what = f"gensets and batteries give more than is used, first in interval {k}"
        raise DataError(Finding(where=where, what=what))
    used = np.minimum(series["PV"], left)
    return Supply(
        load_mwh=load_mwh,
        import_mwh=left - used,
        pv_used_mwh=used,
        pv_surplus_mwh=series["PV"] - used,
        genset_mwh=series["genset"],
        discharge_mwh=series["discharge"],
        charge_mwh=series["charge"],
    )


def part_mg(part_mwh: IntArray, load_mwh: IntArray, load_mg: IntArray) -> int:
    """Return the emissions [mg] of a part of the load, such as what is imported, by the interval.

    `load_mg` int64[H] is what the whole load would emit if all of it came from the grid, as an
    account priced it: its quotient by the load is the interval's intensity. Rounded once, half to
    even; of all of the load it is the sum of `load_mg`. Raises DataError where a part is taken in
    an interval without load, whose intensity nothing tells.
    """
    blind = np.flatnonzero((load_mwh == 0) & (part_mwh > 0))
    if len(blind):
        what = f"a battery is charged in interval {int(blind[0])}, which has no load to tell"
        raise DataError(Finding(where="supply", what=f"{what} the intensity from"))
    same = part_mwh == load_mwh
    whole = int(load_mg[same].sum())
    parts = zip(
        part_mwh[~same].tolist(), load_mg[~same].tolist(), load_mwh[~same].tolist(), strict=True
    )
    return whole + round(sum((Fraction(p * mg, load) for p, mg, load in parts), Fraction(0)))
