"""The seven gases of the Kyoto Protocol and what a kilogram of each warms, by named set.

    CO2e = sum over gases of mass x GWP[set][gas]

GWP over 100 years: IPCC AR4 WG1 (2007) table 2.14, AR5 WG1 (2013) table 8.A.1, AR6 WG1 (2021)
table 7.SM.7. A total is of one set; two sets are never added (`books.Inventory`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from greensched.errors import DataError, Finding

CO2E: Final = "CO2e"  # already weighed, by a set that its factor names
UNSTATED: Final = "unstated"
GROUPS: Final = ("CO2", "CH4", "N2O", "HFCs", "PFCs", "SF6", "NF3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gas:
    """A gas, the one of the seven that it is reported under, and its GWP by set."""

    name: str
    group: str
    gwp: dict[str, Fraction]


def _gas(name: str, group: str, *, ar4: str, ar5: str, ar6: str) -> Gas:
    sets = {"AR4": ar4, "AR5": ar5, "AR6": ar6}
    return Gas(name=name, group=group, gwp={s: Fraction(value) for s, value in sets.items()})


GWP_SETS: Final = ("AR4", "AR5", "AR6")
GASES: Final[dict[str, Gas]] = {
    gas.name: gas
    for gas in (
        _gas("CO2", "CO2", ar4="1", ar5="1", ar6="1"),
        _gas("CH4", "CH4", ar4="25", ar5="28", ar6="27.9"),
        _gas("CH4-fossil", "CH4", ar4="25", ar5="30", ar6="29.8"),
        _gas("CH4-biogenic", "CH4", ar4="25", ar5="28", ar6="27.0"),
        _gas("N2O", "N2O", ar4="298", ar5="265", ar6="273"),
        _gas("HFC-32", "HFCs", ar4="675", ar5="677", ar6="771"),
        _gas("HFC-125", "HFCs", ar4="3500", ar5="3170", ar6="3740"),
        _gas("HFC-134a", "HFCs", ar4="1430", ar5="1300", ar6="1530"),
        _gas("HFC-143a", "HFCs", ar4="4470", ar5="4800", ar6="5810"),
        _gas("PFC-14", "PFCs", ar4="7390", ar5="6630", ar6="7380"),
        _gas("SF6", "SF6", ar4="22800", ar5="23500", ar6="25200"),
        _gas("NF3", "NF3", ar4="17200", ar5="16100", ar6="17400"),
    )
}


def gwp_of(gas: str, gwp_set: str) -> Fraction:
    """Return the kilograms of CO2e that a kilogram of `gas` is by `gwp_set`; of CO2e 1.

    Raises DataError, naming what is known, for another gas or set.
    """
    if gwp_set not in GWP_SETS:
        remedy = f"one of {', '.join(GWP_SETS)}"
        raise DataError(Finding(where="gwp", what=f"unknown GWP set {gwp_set!r}", remedy=remedy))
    if gas == CO2E:
        return Fraction(1)
    if gas not in GASES:
        remedy = f"one of {', '.join((*GASES, CO2E))}"
        raise DataError(Finding(where="gas", what=f"unknown gas {gas!r}", remedy=remedy))
    return GASES[gas].gwp[gwp_set]


def group_of(gas: str) -> str:
    """Return which of the seven `gas` is reported under; CO2e, which may be any, is itself."""
    return CO2E if gas == CO2E else GASES[gas].group
