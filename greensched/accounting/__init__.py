"""Usage to entries to savings: pure functions, whole numbers from the boundary on."""

from greensched.accounting.account import account
from greensched.accounting.attribution import (
    Attribution,
    Contribution,
    Interaction,
    all_sets,
    attribute,
    interaction_sentence,
    sample,
    sampled_sets,
    strongest,
)
from greensched.accounting.balance import Check, balance
from greensched.accounting.entries import Entries, Totals, rows, scope2_label, total, totals, until
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
from greensched.accounting.lmdi import energy_factors, explain
from greensched.accounting.rounding import apportion
from greensched.accounting.savings import Baseline, Savings, baseline_of, savings
from greensched.accounting.usage import (
    ROLES,
    ROLES_ON,
    ROLES_RELEASED,
    Group,
    Usage,
    usage_edges,
)

__all__ = [
    "ROLES",
    "ROLES_ON",
    "ROLES_RELEASED",
    "Attribution",
    "Baseline",
    "Check",
    "Contribution",
    "Entries",
    "Factors",
    "Group",
    "Interaction",
    "MachineFactors",
    "Pue",
    "Savings",
    "SiteFactors",
    "Step",
    "Totals",
    "Usage",
    "account",
    "all_sets",
    "apportion",
    "attribute",
    "balance",
    "baseline_of",
    "constant_pue",
    "embodied_share_kg",
    "energy_factors",
    "explain",
    "integrate",
    "interaction_sentence",
    "machine_factors",
    "rows",
    "sample",
    "sampled_sets",
    "savings",
    "scope2_label",
    "site_factors",
    "strongest",
    "total",
    "totals",
    "until",
    "usage_edges",
]
