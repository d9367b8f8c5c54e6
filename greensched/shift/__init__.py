"""Lists of jobs without machines: policies, bounds, caps, reserved cores, published tables.

case(jobs, intensity, terms) -> Case     a study, cut to whole ticks
rows(case, names)            -> [dict]   one row a policy, in the keys of docs/reference/outputs.md
"""

from greensched.shift.compare import registered, rows
from greensched.shift.space import Moving, Site, Space
from greensched.shift.study import Case, Queue, Terms, case, last_ms

__all__ = [
    "Case",
    "Moving",
    "Queue",
    "Site",
    "Space",
    "Terms",
    "case",
    "last_ms",
    "registered",
    "rows",
]
