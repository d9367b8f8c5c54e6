"""A bill in FOCUS form: machine-hours and cost by machine type and time.

FinOps Open Cost and Usage Specification 1.0 to 1.3: `ChargePeriodStart`, `ChargePeriodEnd`,
`ConsumedQuantity`, `ConsumedUnit`, `BillingCurrency`, and `EffectiveCost` (discounts and
commitments spread over time), else `BilledCost`. The machine type is `InstanceType` of
`SkuPriceDetails` (from 1.1 on), or the column mapped to `machine_type`. Counted are rows of
category `Usage`, of services of category `Compute`, whose unit is hours and that have a machine
type: what another service charges by the hour of a machine is not the machine again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.readers.cells import Check, cell_of
from greensched.readers.columns import fetch
from greensched.readers.files import checksum
from greensched.readers.loading import load
from greensched.readers.machine_hours import MachineHours
from greensched.readers.options import ReadOptions
from greensched.readers.source import connect, missing_column, opened, quote
from greensched.readers.timing import time_cell

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import FloatArray
    from greensched.readers.source import Source

MARK: Final = "ChargePeriodStart"  # by which a bill is told from other tables
COSTS: Final = ("EffectiveCost", "BilledCost")
HOURS: Final = ("hour", "hours", "hrs", "h", "instance-hours", "1 hour")
AMOUNT_MAX: Final = 1e12
NEEDED: Final = ("ConsumedQuantity", "ConsumedUnit", "BillingCurrency")
TEXTS: Final = ("ConsumedUnit", "ChargeCategory", "BillingCurrency", "ServiceCategory")
CHECKS: Final = (
    Check(
        when="ConsumedQuantity > 0 AND until_ms <= from_ms",
        what="ChargePeriodEnd is not after ChargePeriodStart",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The rows of machines of a bill: `hours` as machine-hours, and what each of them cost."""

    hours: MachineHours
    cost: FloatArray  # [rows] in `currency`
    currency: str
    cost_column: str
    passed_over: int  # rows that are of no machine's hours
    amount_passed_over: float

    @property
    def by_type(self) -> dict[str, tuple[float, float]]:
        """Return machine-hours and cost of each type."""
        found: dict[str, tuple[float, float]] = {}
        names = np.array(self.hours.machine_type, object)
        for name in sorted(set(self.hours.machine_type)):
            own = names == name
            found[name] = (float(self.hours.machine_h[own].sum()), float(self.cost[own].sum()))
        return found

    @property
    def per_hour(self) -> dict[str, float]:
        """Return what an hour of each type cost; types without hours are left out."""
        return {name: cost / hours for name, (hours, cost) in self.by_type.items() if hours > 0}


def is_focus(path: Path) -> bool:
    """Say whether a file looks like a bill."""
    with connect() as con, opened(con, path) as source:
        return MARK in source.columns


def read_bill(path: Path, options: ReadOptions | None = None) -> Bill:
    """Return the machines of a bill; raises DataError with all that is wrong."""
    options = options or ReadOptions()
    mapped = options.columns.get("machine_type", "")
    with connect() as con, opened(con, path) as source:
        cost = next((name for name in COSTS if name in source.columns), None)
        missing = [name for name in NEEDED if name not in source.columns]
        missing += [" or ".join(COSTS)] if cost is None else []
        if missing:
            raise DataError(*(missing_column(source, name) for name in missing))
        assert cost is not None
        own = ReadOptions(
            time_zone=options.time_zone or "UTC",
            map=(("from", "ChargePeriodStart"), ("until", "ChargePeriodEnd")),
            on_bad=options.on_bad,
        )
        details = mapped or "SkuPriceDetails"
        if details not in source.columns:
            remedy = "name the column of machine types with --map machine_type=COLUMN"
            what = f"no column '{details}', which says the machine type"
            raise DataError(Finding(where=source.label, what=what, remedy=remedy))
        number = {"is_integer": False, "low": -AMOUNT_MAX, "high": AMOUNT_MAX}
        cells = [
            time_cell(source, "from", own),
            time_cell(source, "until", own),
            cell_of(source, cost, own, **number),
            cell_of(source, "ConsumedQuantity", own, empty="0", **number),
            *(cell_of(source, name, own, kind="text", empty="''") for name in TEXTS),
        ]
        bad = load(source, "raw_bill", cells, own, extra=CHECKS)
        findings = tuple(bad.settle(own))
        rows = _rows(source, details, cost, is_mapped=bool(mapped))
        return _bill(source, rows, cost, (checksum([path]), findings))


def _rows(source: Source, details: str, cost: str, *, is_mapped: bool) -> tuple[int, float]:
    """Put machines into `bill`, and return how many other rows there are and what they cost."""
    text = f"CAST({quote(details)} AS VARCHAR)"
    kind = (
        text if is_mapped else f'regexp_extract({text}, \'"InstanceType"\\s*:\\s*"([^"]+)"\', 1)'
    )
    hours = ", ".join(f"'{unit}'" for unit in HOURS)
    source.con.execute(
        f"CREATE TABLE types AS SELECT _row, coalesce({kind}, '') AS machine_type "
        f"FROM {source.sql}"
    )
    source.con.execute(
        "CREATE TABLE joined AS SELECT *, machine_type <> '' AND ConsumedQuantity > 0 AND "
        "ChargeCategory IN ('Usage', '') AND ServiceCategory IN ('Compute', '') AND "
        f"lower(ConsumedUnit) IN ({hours}) AS is_machine "
        "FROM raw_bill JOIN types USING (_row)"
    )
    source.con.execute(
        "CREATE TABLE bill AS SELECT * FROM joined WHERE is_machine "
        "ORDER BY machine_type, from_ms, _row"
    )
    count, amount = source.con.execute(
        f"SELECT count(*), coalesce(sum({quote(cost)}), 0) FROM joined WHERE NOT is_machine"
    ).fetchone() or (0, 0.0)
    return int(count), float(amount)


def _bill(
    source: Source, others: tuple[int, float], cost: str, about: tuple[str, tuple[str, ...]]
) -> Bill:
    """Return the bill of the table `bill`; raises DataError for none or several currencies."""
    con = source.con
    currencies = [
        str(r[0]) for r in con.execute("SELECT DISTINCT BillingCurrency FROM bill").fetchall()
    ]
    if len(currencies) != 1:
        what = "no row is of a machine's hours"
        remedy = "check ConsumedUnit and where the machine type is"
        if currencies:
            what, remedy = f"several currencies: {', '.join(sorted(currencies))}", "split it"
        raise DataError(Finding(where=source.label, what=what, remedy=remedy))
    types = con.execute("SELECT machine_type FROM bill").fetchall()
    checked, findings = about
    hours = MachineHours(
        machine_type=tuple(str(name) for (name,) in types),
        from_ms=fetch(con, "bill", "from_ms", "int64"),
        until_ms=fetch(con, "bill", "until_ms", "int64"),
        machine_h=fetch(con, "bill", "ConsumedQuantity", "float64"),
        of_utc=True,
        checksum=checked,
        findings=findings,
        lists_all=True,
    )
    return Bill(
        hours=hours,
        cost=fetch(con, "bill", quote(cost), "float64"),
        currency=currencies[0],
        cost_column=cost,
        passed_over=others[0],
        amount_passed_over=others[1],
    )
