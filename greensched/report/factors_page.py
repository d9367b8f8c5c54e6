"""`docs/reference/factors.md`: the factors that ship, each with its source, as one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.accounting.books import GASES, GWP_SETS
from greensched.accounting.books.factors import ALL_YEARS
from greensched.readers.books import bundled_factors
from greensched.report.shifting import markdown

if TYPE_CHECKING:
    from greensched.accounting.books import EmissionFactor

TOP: Final = """\
# Factors that ship

Facts, typed with their source; [accounting](accounting.md) says how they are used, and
[disclosure](disclosure.md) how a company's own file overrides them by id. This page is made from
`greensched/readers/books/factors.csv` (see CONTRIBUTING). A year without a row takes the last one
before it; year {all_years} holds for all years. Grid factors are CO2 of generation and direct
unless `basis` says otherwise. Check a factor against its source before you publish with it.
"""
GWP: Final = """
## Global warming potential

Over 100 years: IPCC AR4 WG1 (2007) table 2.14, AR5 WG1 (2013) table 8.A.1, AR6 WG1 (2021) table
7.SM.7 (methane by origin: 7.15). One total is of one set. Those by AR6 were compared with the data
that table 7.SM.7 was made of (`data_output/7sm/metrics_supplement_cleaned.csv` of
[chrisroadmap/ar6](https://github.com/chrisroadmap/ar6), the code of its chapter). There SF6 lives
for 3,200 years and warms as 25,200; some quote 24,300, as a life of about 1,000 years gives.
"""


def factors_page() -> str:
    """Return the page as Markdown."""
    heads = ("id", "year", "gas", "kg", "per", "basis", "region", "source", "licence")
    cells = [_cells(factor) for factor in bundled_factors().factors]
    gases = [
        (gas.name, gas.group, *(f"{float(gas.gwp[s]):,g}" for s in GWP_SETS))
        for gas in GASES.values()
    ]
    parts = [
        TOP.format(all_years=ALL_YEARS),
        markdown(heads, cells),
        GWP,
        markdown(("gas", "reported as", *GWP_SETS), gases),
    ]
    return "\n".join(parts) + "\n"


def _cells(factor: EmissionFactor) -> tuple[str, ...]:
    mass = f"{float(factor.mid_kg):.10g}"
    if factor.low_kg != factor.high_kg:
        mass += f" ({float(factor.low_kg):g} .. {float(factor.high_kg):g})"
    return (
        factor.id,
        str(factor.year),
        factor.gas,
        mass,
        factor.per,
        factor.basis,
        factor.region,
        factor.source,
        factor.licence,
    )
