"""Any figure of a result, from the rows that are stored with it: formula, factors and rows.

`explain(stored, key)` computes the figure again and sets it beside what `summary.json` says.
Each module has the figures of one kind, as functions of what is stored:

    given     what the scenario says, and counts      totals   machines, energy, emissions, cost
    served    services, databases, outages            worked   jobs
    saved     savings, with their LMDI parts          proved   bounds, attribution, balance
"""

from greensched.report.explain.figure import FactorUse, Figure, Rows
from greensched.report.explain.keys import Explanation, explain, keys
from greensched.report.explain.printed import as_document, as_text
from greensched.report.explain.source import Source

__all__ = [
    "Explanation",
    "FactorUse",
    "Figure",
    "Rows",
    "Source",
    "as_document",
    "as_text",
    "explain",
    "keys",
]
