"""Balance checks: they hold for every account, and each finds what it is there to find."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given

from greensched.accounting import Check, Pue, account, balance, constant_pue, rows, total
from greensched.cli.main import main
from greensched.experiment.outcome import Outcome
from greensched.units import MS_PER_H
from tests.accounting_cases import DAY, HOURS, factors_of, site_of
from tests.properties.accounts import accounts
from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.accounting import Entries, Factors, Usage

FLEET = {("hz", "gen8"): 6}
NAMES = [
    "jobs + unallocated = machines",
    "facility = IT x PUE",
    "sum of entries = facility energy",
    "sum of entries = emissions",
    "machines of all roles = fleet",
]


def parts(entries: Entries) -> dict[str, int]:
    """Return all energy as one job's but a unit."""
    return {"jobs": total(entries).energy_it_mwh - 1, "unallocated": 1}


def failing(entries: Entries, **more: Any) -> list[str]:
    """Return the names of the checks that fail."""
    given = {"parts_mwh": parts(entries), "fleet": FLEET, **more}
    return [check.name for check in balance(entries, **given) if not check.ok]


def made(fixed_w: float = 0.0) -> Entries:
    """Return two hours of six machines with PUE 1.5."""
    return account(DAY, factors_of(site_of(pue=constant_pue(1.5, fixed_w))))


@pytest.mark.parametrize("fixed_w", [0.0, 100.0, 33.3, 1e6])
def test_an_account_balances(fixed_w: float) -> None:
    """Two hours with and without fixed power pass every check, without difference."""
    checks = balance(made(fixed_w), parts(made(fixed_w)), FLEET)
    assert NAMES == [check.name for check in checks]
    assert all(check.ok for check in checks)
    assert [0, 0, 0, 0] == [c.difference for c in checks if c.name != "facility = IT x PUE"]


@given(accounts())
def test_every_account_balances(pair: tuple[Usage, Factors]) -> None:
    """Whatever the usage, grid, PUE and fixed power: parts, facility energy and rows agree."""
    entries = account(*pair)
    checks = balance(entries, parts(entries), {})
    assert [] == [check for check in checks if not check.ok]


def test_energy_that_nobody_used_is_found() -> None:
    """A milliwatt-hour too much among the parts is found."""
    entries = made()
    more = {**parts(entries), "jobs": parts(entries)["jobs"] + 1}
    assert [NAMES[0]] == failing(entries, parts_mwh=more)


def test_dropped_pue_is_found() -> None:
    """Facility energy that is IT energy, with emissions to match, is found."""
    entries = made()
    assert NAMES[1] in failing(replace(entries, energy_facility_mwh=entries.energy_it_mwh))


def test_rows_that_do_not_sum_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that lack a unit of energy and of emissions are found by both sums."""
    whole = rows

    def less(entries: Entries) -> dict[str, Any]:
        table = dict(whole(entries))
        for name in ("energy_facility_mwh", "emissions_mg"):
            table[name] = table[name].copy()
            table[name][0] -= 1
        return table

    # by the module's name: the package has the function of the same name
    monkeypatch.setattr(sys.modules["greensched.accounting.balance"], "rows", less)
    assert NAMES[2:4] == failing(made())


def test_a_machine_in_two_roles_is_found() -> None:
    """A machine that is counted as lent and online in one hour is found in that hour."""
    entries = made()
    twice = entries.machine_ms.copy()
    twice[1, 0] += 1
    checks = balance(replace(entries, machine_ms=twice), parts(entries), FLEET)
    assert (False, 1) == (checks[-1].ok, checks[-1].difference)
    both = {("hz", "gen8"): 5, ("sh", "none"): 0}
    assert 3_600_000 == balance(entries, parts(entries), both)[-1].difference
    gone = np.zeros_like(twice)
    assert [NAMES[4]] == [
        c.name
        for c in balance(replace(entries, machine_ms=gone), parts(entries), FLEET)
        if not c.ok and c.unit == "machine-ms"
    ]


def test_a_machine_in_no_role_is_found() -> None:
    """A machine missing in one hour is found, though other sites' machines are all there."""
    entries = made()
    less = entries.machine_ms.copy()
    less[0, 0] -= 1
    fleet = {**FLEET, ("sh", "none"): 0}
    check = balance(replace(entries, machine_ms=less), parts(entries), fleet)[-1]
    assert (False, -1) == (check.ok, check.difference)


def test_what_balances_is_shown_with_its_figures() -> None:
    """A check that holds names the machine time that it found, and allows no difference."""
    facility, *_, fleet = balance(made(), parts(made()), FLEET)[1:]
    assert (6 * MS_PER_H, 6 * MS_PER_H) == (fleet.left, fleet.right)
    assert (0, 1) == (facility.tolerance, balance(made(5.0), parts(made()), FLEET)[1].tolerance)


def test_a_site_without_machines_uses_nothing() -> None:
    """A site that the factors name and that has no machines changes no balance."""
    factors = factors_of()
    empty = replace(factors, sites=(*factors.sites, site_of(site="sh")))
    assert 0 == balance(account(DAY, empty), parts(made()), FLEET)[1].difference


def test_a_machine_twice_in_a_short_interval_is_found() -> None:
    """It is the interval that is farthest from the fleet, not the one with most machine time."""
    entries = made()
    edges_ms = entries.edges_ms.copy()
    edges_ms[-1] += 9 * (edges_ms[-1] - edges_ms[-2])
    held = entries.machine_ms.copy()
    held[1] *= 10
    held[0, 0] += 1
    longer = replace(entries, edges_ms=edges_ms, machine_ms=held)
    assert 1 == balance(longer, parts(entries), FLEET)[-1].difference


def test_fixed_power_of_some_hours_is_rounded_too() -> None:
    """A site whose building takes power in one hour alone may differ by the unit of rounding."""
    table = Pue(edges_ms=HOURS, slope=np.array([1.5, 1.5]), fixed_w=np.array([0.0, 33.3]))
    entries = account(DAY, factors_of(site_of(pue=table)))
    assert 1 == balance(entries, parts(entries), FLEET)[1].tolerance


def test_a_result_tells_that_it_balances(tmp_path: Path) -> None:
    """A run prints which balance holds, and its summary has each check with its difference."""
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["run", str(write_scenario(tmp_path)), "--out", str(out)])
    assert 0 == result.exit_code
    assert "balance holds in every run: services + jobs" in " ".join(result.stdout.split())
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert [True] * 5 == [check["ok"] for check in summary["balance"]]


def test_a_result_that_does_not_balance_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed check exits with 70, leaves no result, and writes the case for a bug report."""
    wrong = Check(name="a = b", left=3, right=1, unit="mWh")
    monkeypatch.setattr(Outcome, "checks", lambda _self, _fleet: (wrong,))
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["run", str(write_scenario(tmp_path)), "--out", str(out)])
    assert 70 == result.exit_code
    assert "scenario: a = b differs by 2 mWh" in result.stderr
    assert not out.exists()
    (case,) = tmp_path.glob("balance-small-*")
    told = json.loads((case / "case.json").read_text("utf-8"))
    assert [["a = b", 3, 1, "mWh"]] == told["failed"]["scenario"]
    assert "name: small" in (case / "scenario.yaml").read_text("utf-8")


def test_a_stored_result_that_does_not_balance_says_so() -> None:
    """A summary with a failed check is told as a bug where it is shown."""
    from greensched.report.heading import balance as told

    check = {"check": "a = b", "difference": 2_000, "unit": "mWh", "ok": False}
    assert "BALANCE BROKEN, a bug of greensched: a = b by 2,000 mWh" == told({"balance": [check]})
    assert "" == told({})
