"""The three books of a company's year, and what is told beside them: pure functions."""

from greensched.accounting.books.activities import KINDS, Activity, measured, priced
from greensched.accounting.books.book import (
    METHODS,
    Avoided,
    Inventory,
    Line,
    Method,
    Offset,
    Offsets,
    Range,
    Saved,
    sum_of,
)
from greensched.accounting.books.control import Control, by_control
from greensched.accounting.books.cooling import Cooling, facility_mwh
from greensched.accounting.books.equivalents import equivalents
from greensched.accounting.books.factors import UNITS, EmissionFactor, FactorTable, in_unit
from greensched.accounting.books.gases import CO2E, GASES, GWP_SETS, group_of, gwp_of
from greensched.accounting.books.indicators import Measures, indicators, sci_mg
from greensched.accounting.books.inverse import (
    Band,
    Fleet,
    Reported,
    fleet_for,
    reconciled,
    utilisation_for,
)
from greensched.accounting.books.market import (
    Contract,
    Matched,
    Matching,
    cfe_annual,
    cfe_hourly,
    market_mg,
    match,
)
from greensched.accounting.books.supply import Supply, import_mg, supplied
from greensched.accounting.books.targets import Progress, Target, contributions, progress

__all__ = [
    "CO2E",
    "GASES",
    "GWP_SETS",
    "KINDS",
    "METHODS",
    "UNITS",
    "Activity",
    "Avoided",
    "Band",
    "Contract",
    "Control",
    "Cooling",
    "EmissionFactor",
    "FactorTable",
    "Fleet",
    "Inventory",
    "Line",
    "Matched",
    "Matching",
    "Measures",
    "Method",
    "Offset",
    "Offsets",
    "Progress",
    "Range",
    "Reported",
    "Saved",
    "Supply",
    "Target",
    "by_control",
    "cfe_annual",
    "cfe_hourly",
    "contributions",
    "equivalents",
    "facility_mwh",
    "fleet_for",
    "group_of",
    "gwp_of",
    "import_mg",
    "in_unit",
    "indicators",
    "market_mg",
    "match",
    "measured",
    "priced",
    "progress",
    "reconciled",
    "sci_mg",
    "sum_of",
    "supplied",
    "utilisation_for",
]
