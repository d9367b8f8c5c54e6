"""`python -m tests.mutation.named NAME`: the six faults that no suite may let pass.

Each is put in as a change of the source's text, and the tests that have to see it are run: the
exit code is 0 where one of them fails.
"""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import dataclass
from typing import Final

from tests.mutation.apply import put_in_tree, source_of

ALIVE: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A fault: what of which function becomes what, and the tests that have to see it."""

    module: str
    function: str
    old: str
    new: str
    tests: tuple[str, ...]


NAMED: Final = {
    "drop PUE": Named(
        module="greensched.accounting.account",
        function="_steps",
        old="slope=site.pue.slope[pue_at],",
        new="slope=np.ones_like(site.pue.slope[pue_at]),",
        tests=("tests/test_accounting.py",),
    ),
    "average utilisation first": Named(
        module="greensched.accounting.integrate",
        function="integrate",
        old="    edges = [int(e) for e in edges_ms]\n",
        new="    edges = [int(e) for e in edges_ms]\n"
        "    steps = list(steps)\n"
        "    span = sum(s.end_ms - s.start_ms for s in steps)\n"
        "    use = sum(s.utilisation * (s.end_ms - s.start_ms) for s in steps) / span\n"
        "    steps = [type(s)(machine_type=s.machine_type, role=s.role, start_ms=s.start_ms,\n"
        "                     end_ms=s.end_ms, utilisation=use) for s in steps]\n",
        tests=("tests/properties/test_laws_accounting.py",),
    ),
    "count lent machines twice": Named(
        module="greensched.accounting.entries",
        function="total",
        old="    on_ms = entries.machine_ms[:, on].sum(axis=1)\n",
        new="    lent = [group.role == 'lent' for group in entries.groups]\n"
        "    on_ms = entries.machine_ms[:, on].sum(axis=1)\n"
        "    on_ms = on_ms + entries.machine_ms[:, lent].sum(axis=1)\n",
        tests=("tests/properties/test_laws_accounting_sums.py",),
    ),
    "subtract offsets": Named(
        module="greensched.report.disclosure.statement",
        function="statement",
        old='        "inventory": totals(inventory),\n',
        new='        "inventory": {\n'
        "            name: {\n"
        "                k: t - gathered.offsets.counted_mg / MG_PER_T for k, t in of.items()\n"
        "            }\n"
        "            for name, of in totals(inventory).items()\n"
        "        },\n",
        tests=("tests/test_disclosure.py",),
    ),
    "over-run on ties": Named(
        module="greensched.bounds.shifting",
        function="cheapest_ticks",
        old="        taken = np.clip(length[rows, None] - before, 0, ticks)\n",
        new="        value = np.where(\n"
        "            ranks < len(order), intensity.values_g_per_kwh[slot], np.inf\n"
        "        )\n"
        "        taken = np.clip(length[rows, None] - before, 0, ticks)\n"
        "        last = np.where(taken > 0, value, -np.inf).max(axis=1)\n"
        "        taken = np.where(value <= last[:, None], ticks, 0)\n",
        tests=("tests/properties/test_laws_shifting.py",),
    ),
    "embodied saved when off": Named(
        module="greensched.accounting.account",
        function="_embodied",
        old="        amounts = times(held_ms, [rate.numerator for rate in rates])\n",
        new="        on = np.array([group.role in ROLES_ON for group in usage.groups], np.int64)\n"
        "        amounts = times(held_ms * on, [rate.numerator for rate in rates])\n",
        tests=("tests/properties/test_laws_accounting_sums.py",),
    ),
}


def put_in(name: str) -> Named:
    """Put a named fault into this process; raises ValueError where its text is gone."""
    named = NAMED[name]
    source = source_of(named.module)
    if source.count(named.old) != 1:
        message = f"{named.module} has not one place like: {named.old}"
        raise ValueError(message)
    put_in_tree(named.module, named.function, ast.parse(source.replace(named.old, named.new)))
    return named


def main() -> int:
    """Put a fault in and run its tests."""
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    named = put_in(sys.argv[1])
    import pytest

    options = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    code = pytest.main([*options, *named.tests])
    return 0 if code == pytest.ExitCode.TESTS_FAILED else ALIVE


if __name__ == "__main__":
    sys.exit(main())
