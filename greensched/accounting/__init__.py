"""Usage to entries to savings: pure functions, whole numbers from the boundary on."""

from greensched.accounting.account import account
from greensched.accounting.entries import Entries, Totals, rows, scope2_label, total, totals
from greensched.accounting.factors import (
    Factors,
    MachineFactors,
    Pue,
    SiteFactors,
    constant_pue,
    embodied_share_kg,
    machine_factors,
    site_factors,
)
from greensched.accounting.integrate import Step, integrate
from greensched.accounting.rounding import apportion
from greensched.accounting.savings import Baseline, Savings, baseline_of, savings
from greensched.accounting.usage import ROLES, ROLES_ON, Group, Usage, usage_edges

__all__ = [
    "ROLES",
    "ROLES_ON",
    "Baseline",
    "Entries",
    "Factors",
    "Group",
    "MachineFactors",
    "Pue",
    "Savings",
    "SiteFactors",
    "Step",
    "Totals",
    "Usage",
    "account",
    "apportion",
    "baseline_of",
    "constant_pue",
    "embodied_share_kg",
    "integrate",
    "machine_factors",
    "rows",
    "savings",
    "scope2_label",
    "site_factors",
    "total",
    "totals",
    "usage_edges",
]
