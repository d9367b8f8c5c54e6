"""A scenario's prices as the account takes them, files read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from greensched.accounting.factors import PriceSteps
from greensched.errors import DataError, Finding
from greensched.scenario.fleetspec import TypedMachine
from greensched.scenario.paths import resolved
from greensched.scenario.pricespec import BillFile, PriceFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.scenario.loading import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What electricity and machines cost; None and empty where no price is known.

    Steps count from the window's start; `per_machine_h` is by machine type, `other_h` of all
    that are not in it.
    """

    currency: str = ""
    per_kwh: float | None = None
    steps: PriceSteps | None = None
    per_machine_h: Mapping[str, float] = field(default_factory=dict)
    other_h: float | None = None
    checksums: tuple[tuple[str, str], ...] = ()
    findings: tuple[str, ...] = ()

    def machine_h(self, machine_type: str) -> float | None:
        """Return the price of an hour of a machine type; None where none is known."""
        return self.per_machine_h.get(machine_type, self.other_h)


def priced(scenario: Scenario) -> Priced:
    """Return the scenario's prices.

    Raises ScenarioError for files that are not there, DataError for prices that do not cover the
    window and bills in another currency.
    """
    given = scenario.spec.prices
    if given is None:
        return Priced()
    currency = next(iter(given.currencies), "")
    per_kwh, steps, checksums = None, None, []
    if isinstance(given.energy, PriceFile):
        steps, checksum = _steps(scenario, given.energy)
        checksums.append((given.energy.source, checksum))
    elif given.energy is not None:
        per_kwh = given.energy[0]
    by_type: dict[str, float] = {}
    other: float | None = None
    findings: tuple[str, ...] = ()
    if isinstance(given.machine_hour, BillFile):
        by_type, billed, checksum, findings = _billed(scenario, given.machine_hour, currency)
        checksums.append((given.machine_hour.focus, checksum))
        currency = currency or billed
    elif isinstance(given.machine_hour, dict):
        by_type = _by_name(scenario, {k: p[0] for k, p in given.machine_hour.items()})
    elif given.machine_hour is not None:
        other = given.machine_hour[0]
    return Priced(
        currency=currency,
        per_kwh=per_kwh,
        steps=steps,
        per_machine_h=by_type,
        other_h=other,
        checksums=tuple(checksums),
        findings=findings,
    )


def _steps(scenario: Scenario, given: PriceFile) -> tuple[PriceSteps, str]:
    """Return prices over time from the window's start on."""
    from greensched.readers.prices import read_prices

    where = scenario.source.where(("prices", "energy"))
    path = resolved(scenario, given.source, where)
    edges_ms, values, checksum = read_prices(path, given.time_zone or "")
    edges_ms = edges_ms - scenario.start_utc_ms
    if edges_ms[0] > 0 or edges_ms[-1] < scenario.window_ms:
        what = "prices do not cover the window"
        remedy = "give a price for each of its hours"
        raise DataError(Finding(where=f"{where}.source", what=what, remedy=remedy))
    return PriceSteps(edges_ms=edges_ms, per_kwh=values / given.kwh), checksum


def _by_name(scenario: Scenario, prices: Mapping[str, float]) -> dict[str, float]:
    """Return prices by the names of the fleet's entries; published types stand for their own."""
    found = dict(prices)
    for entry in scenario.spec.fleet:
        if isinstance(entry, TypedMachine) and entry.type in prices:
            found.setdefault(entry.name, prices[entry.type])
    return found


def _billed(
    scenario: Scenario, given: BillFile, currency: str
) -> tuple[dict[str, float], str, str, tuple[str, ...]]:
    """Return prices by machine type, the currency, the checksum and what to know of a bill."""
    from greensched.readers.focus import read_bill

    where = scenario.source.where(("prices", "machine_hour"))
    bill = read_bill(resolved(scenario, given.focus, where))
    if currency and bill.currency != currency:
        what = f"the bill is in {bill.currency}, the price of electricity in {currency}"
        remedy = "give both in one currency: money is never converted"
        raise DataError(Finding(where=where, what=what, remedy=remedy))
    prices = _by_name(scenario, bill.per_hour)
    total = float(np.sum(bill.cost))
    found = (
        f"machine-hours priced by a bill: {len(bill.per_hour)} machine types,"
        f" {float(bill.hours.machine_h.sum()):,.0f} h for {total:,.2f} {bill.currency}"
        f" ({bill.cost_column}); {bill.passed_over:,} other rows passed over"
    )
    return prices, bill.currency, bill.hours.checksum, (found,)
