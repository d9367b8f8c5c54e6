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
from greensched.accounting.books.cooling import Cooled, Cooling, cooled, facility_mwh
from greensched.accounting.books.electricity import (
    Electricity,
    Priced,
    Rate,
    SiteTerms,
    of_activities,
    rate_of,
)
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
    by_site,
    cfe_annual,
    cfe_hourly,
    match,
)
from greensched.accounting.books.metered import Metered, Year, metered
from greensched.accounting.books.supply import Supply, part_mg, supplied
from greensched.accounting.books.targets import Progress, Target, contributions, progress
from greensched.accounting.books.year import Known, OnSite, SiteYear, Terms, YearBooks, year_books

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
    "Cooled",
    "Cooling",
    "Electricity",
    "EmissionFactor",
    "FactorTable",
    "Fleet",
    "Inventory",
    "Known",
    "Line",
    "Matched",
    "Matching",
    "Measures",
    "Metered",
    "Method",
    "Offset",
    "Offsets",
    "OnSite",
    "Priced",
    "Progress",
    "Range",
    "Rate",
    "Reported",
    "Saved",
    "SiteTerms",
    "SiteYear",
    "Supply",
    "Target",
    "Terms",
    "Year",
    "YearBooks",
    "by_control",
    "by_site",
    "cfe_annual",
    "cfe_hourly",
    "contributions",
    "cooled",
    "equivalents",
    "facility_mwh",
    "fleet_for",
    "group_of",
    "gwp_of",
    "in_unit",
    "indicators",
    "match",
    "measured",
    "metered",
    "of_activities",
    "part_mg",
    "priced",
    "progress",
    "rate_of",
    "reconciled",
    "sci_mg",
    "sum_of",
    "supplied",
    "utilisation_for",
    "year_books",
]
