"""Market-based scope 2: contracts matched with the grid's part, the rest by the residual mix.

    C = sum of matched x the contract's factor + unmatched x residual factor

`hourly` matching counts what a contract delivers in an hour and no more than that hour uses: a
surplus is never carried over. `annual` matching spreads a contract over the year by load. Supply
above the load is scaled pro rata. GHG Protocol Scope 2 Guidance, quality criteria: a contract is
retired, of the site's market and of the year.

    CFE = sum over hours of (matched + (load - matched) x the grid's carbon-free share) / load

is the 24/7 carbon-free energy score (Google, "24/7 Carbon-Free Energy: Methodologies and
Metrics", 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from greensched.accounting.rounding import spread
from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from greensched.model import IntArray

Matching: TypeAlias = Literal["annual", "hourly"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Electricity that was bought with its attributes: `amount_mwh` [mWh] in the year.

    `delivered_mwh` int64[H] is when, None where only the year is known. `retirement` is the id
    under which a registry cancelled it, empty while it could still be sold.
    """

    name: str
    market: str
    year: int
    factor_id: str
    amount_mwh: int
    retirement: str = ""
    is_renewable: bool = True
    delivered_mwh: IntArray | None = None

    def why_not(self, markets: Collection[str], year: int) -> str:
        """Return why it cannot be matched in a year with sites in `markets`; empty: it can."""
        if not self.retirement:
            return "not retired"
        if self.market not in markets:
            return f"of market {self.market}, in which no site is"
        return f"of {self.year}" if self.year != year else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """How much of each contract was matched: int64[H, K] [mWh], and what was left int64[H]."""

    by_contract_mwh: IntArray
    unmatched_mwh: IntArray

    @property
    def matched_mwh(self) -> IntArray:
        """Return the sum over contracts int64[H] [mWh]."""
        total: IntArray = self.by_contract_mwh.sum(axis=1, dtype=np.int64)
        return total


def match(load_mwh: IntArray, contracts: Sequence[Contract], matching: Matching) -> Matched:
    """Return which part of `load_mwh` int64[H] [mWh] each contract covers, never more than all.

    Raises DataError for hourly matching of a contract of which only the year is known.
    """
    if not contracts:
        nothing = np.zeros((len(load_mwh), 0), np.int64)
        return Matched(by_contract_mwh=nothing, unmatched_mwh=load_mwh.copy())
    offered = (
        _hourly(load_mwh, contracts) if matching == "hourly" else _annual(load_mwh, contracts)
    )
    matched = offered.copy()
    over = offered.sum(axis=1) > load_mwh
    if over.any():
        order = range(len(contracts))
        matched[over] = spread(load_mwh[over], offered[over], order)
    return Matched(by_contract_mwh=matched, unmatched_mwh=load_mwh - matched.sum(axis=1))


def _hourly(load_mwh: IntArray, contracts: Sequence[Contract]) -> IntArray:
    """Return what the contracts deliver, int64[H, K]."""
    found, columns = [], []
    for contract in contracts:
        delivered = contract.delivered_mwh
        if delivered is None or len(delivered) != len(load_mwh) or bool(np.any(delivered < 0)):
            what = "has no delivery for each hour, or a negative one"
            remedy = "give its hourly file, or match by the year"
            found.append(Finding(where=f"contract {contract.name}", what=what, remedy=remedy))
        else:
            columns.append(delivered)
    if found:
        raise DataError(*found)
    return np.stack(columns, axis=1)


def _annual(load_mwh: IntArray, contracts: Sequence[Contract]) -> IntArray:
    """Return the year's amounts spread by load, int64[H, K]; at most the load altogether."""
    total = int(load_mwh.sum())
    if total == 0:
        return np.zeros((len(load_mwh), len(contracts)), np.int64)
    amounts = np.array([[contract.amount_mwh for contract in contracts]], np.int64)
    if int(amounts.sum()) > total:
        amounts = spread(np.array([total], np.int64), amounts, range(len(contracts)))
    rest = load_mwh.copy()
    columns = []
    for amount in amounts[0].tolist():
        column = np.zeros_like(rest)
        if amount:
            column = spread(np.array([amount], np.int64), rest[np.newaxis, :], range(len(rest)))[0]
        rest = rest - column
        columns.append(column)
    return np.stack(columns, axis=1)


def by_site(
    imports_mwh: Sequence[IntArray], contracts: Sequence[Contract], matching: Matching
) -> tuple[Matched, ...]:
    """Return what contracts of one market cover at each of its sites.

    `imports_mwh` has int64[H] [mWh] a site. By the hour all sites have the same hours, and what
    is matched in one is shared by what each imports; by the year every site's hours have their
    part. Raises DataError where hourly matching lacks hours.
    """
    if matching == "annual":
        pooled = match(np.concatenate(imports_mwh), contracts, matching)
        ends = np.cumsum([len(one) for one in imports_mwh])[:-1]
        parts = zip(
            np.split(pooled.by_contract_mwh, ends),
            np.split(pooled.unmatched_mwh, ends),
            strict=True,
        )
        return tuple(Matched(by_contract_mwh=by, unmatched_mwh=rest) for by, rest in parts)
    rest = np.stack(imports_mwh, axis=1)
    pooled = match(rest.sum(axis=1), contracts, matching)
    columns = []
    for matched in pooled.by_contract_mwh.T:
        shares = np.zeros_like(rest)
        some = matched > 0
        shares[some] = spread(matched[some], rest[some], range(rest.shape[1]))
        rest = rest - shares
        columns.append(shares)
    by_contract = np.stack(columns, axis=2) if columns else np.zeros((*rest.shape, 0), np.int64)
    return tuple(
        Matched(by_contract_mwh=by_contract[:, s], unmatched_mwh=rest[:, s])
        for s in range(rest.shape[1])
    )


def cfe_hourly(
    load_mwh: IntArray, free_mwh: IntArray, grid_share: Sequence[Fraction]
) -> Fraction | None:
    """Return the 24/7 score in 0..1: hour by hour, a surplus never carried over.

    `free_mwh` int64[H] [mWh] is carbon-free supply (contracts, PV), counted up to the load;
    `grid_share` [H] or [1] that of the grid. None where there is no load.
    """
    total = int(load_mwh.sum())
    if total == 0:
        return None
    matched = np.minimum(load_mwh, free_mwh)
    rest = (load_mwh - matched).tolist()
    shares = list(grid_share) * (len(rest) if len(grid_share) == 1 else 1)
    grid = sum((r * s for r, s in zip(rest, shares, strict=True)), Fraction(0))
    return (int(matched.sum()) + grid) / total


def cfe_annual(load_mwh: IntArray, free_mwh: IntArray, grid_share: Fraction) -> Fraction | None:
    """Return the share matched over the year: an hour's surplus makes up for another's lack."""
    load, free = (np.array([int(one.sum())], np.int64) for one in (load_mwh, free_mwh))
    return cfe_hourly(load, free, [grid_share])
