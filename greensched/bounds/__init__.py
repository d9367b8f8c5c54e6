"""Exact lower bounds: what no policy can beat, with certificates that others can check.

right_sizing(need, ...)      -> RightSizing   fewest machine-hours and switches for a known load
server_need(demand)          -> Need          capacity that any fleet has to have, by resource
fewest_machines(need, types) -> Fleet         machines that have it, over several types (LP)
fluid_servers(...)           -> Fluid         fewest servers for work with deadlines (LP)
room_beside(use, ...)        -> [T]           what batch can be given beside services
fewest_for_databases(...)    -> int           peak of sums
fewest_exactly(...)          -> int           for databases, by an integer program: small cases

A bound is a relaxation: each function says what it leaves out, which is why a policy may stay
above it. Linear programs come with a certificate, dual values from which anybody can compute the
bound again (`certified`).
"""

from greensched.bounds.consolidation import (
    fewest_exactly,
    fewest_for_databases,
    peaks_of_sums,
)
from greensched.bounds.envelope import room_beside
from greensched.bounds.fluid import Fluid, fluid_servers
from greensched.bounds.linear import Program, certificate, certified, solve
from greensched.bounds.rightsizing import RightSizing, right_sizing
from greensched.bounds.servers import (
    RESOURCES,
    Capacity,
    Demand,
    Fleet,
    Need,
    fewest_machines,
    server_need,
)

__all__ = [
    "RESOURCES",
    "Capacity",
    "Demand",
    "Fleet",
    "Fluid",
    "Need",
    "Program",
    "RightSizing",
    "certificate",
    "certified",
    "fewest_exactly",
    "fewest_for_databases",
    "fewest_machines",
    "fluid_servers",
    "peaks_of_sums",
    "right_sizing",
    "room_beside",
    "server_need",
    "solve",
]
