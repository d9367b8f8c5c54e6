"""Three books that cannot be mixed: what was emitted, what was avoided, what was offset.

`Inventory`, `Avoided` and `Offsets` are different types: adding two of them is a TypeError, and
nothing here subtracts one from another (GHG Protocol Corporate Standard, chapters 8 and 9: totals
are "independent of any GHG trades", projects are accounted separately).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from greensched.accounting.books.gases import GWP_SETS, UNSTATED
from greensched.errors import DataError, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from greensched.accounting.books.factors import FactorBasis
    from greensched.accounting.factors import Quality
    from greensched.carbon import Signal

Method: TypeAlias = Literal["location", "market"]
SCOPE2: Final = 2
UPSTREAM_ENERGY: Final = "3 fuel- and energy-related"
METHODS: Final[tuple[Method, ...]] = ("location", "market")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Low, middle and high emissions in whole milligrams of CO2e."""

    low_mg: int = 0
    mid_mg: int = 0
    high_mg: int = 0

    def __add__(self, other: Range) -> Range:
        """Return the sum, bound by bound."""
        if not isinstance(other, Range):
            return NotImplemented
        return Range(
            low_mg=self.low_mg + other.low_mg,
            mid_mg=self.mid_mg + other.mid_mg,
            high_mg=self.high_mg + other.high_mg,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an inventory: what was emitted, where, in which scope, by which factor.

    `method` is empty for what both methods of scope 2 count alike, else the one that the line
    belongs to. `category` is that of the GHG Protocol. Raises DataError for marginal signals
    (Scope 2 Guidance: not in an inventory), negative emissions, an unknown scope or GWP set.
    """

    year: int
    site: str
    scope: int
    category: str
    emissions: Range
    gas: str = "CO2e"
    method: Method | Literal[""] = ""
    signal: Signal = "average"
    basis: FactorBasis = "unstated"
    gwp: str = UNSTATED
    factor_id: str = ""
    factor_sha256: str = ""
    factor_vintage: str = ""
    quality: Quality = "measured"
    origin: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Check what the inventory relies on."""
        where = f"{self.origin or self.category} of {self.site or 'the company'}"
        found = []
        if self.scope not in (1, 2, 3):
            found.append(Finding(where=where, what=f"scope {self.scope} is not 1, 2 or 3"))
        if self.scope == 1 and self.method:
            found.append(Finding(where=where, what="scope 1 has no methods"))
        if self.scope == SCOPE2 and not self.method:
            found.append(Finding(where=where, what="scope 2 needs its method"))
        if self.signal != "average":
            what = "marginal factors are not allowed in an inventory"
            remedy = "give average ones (GHG Protocol Scope 2 Guidance)"
            found.append(Finding(where=where, what=what, remedy=remedy))
        bounds = self.emissions
        if not 0 <= bounds.low_mg <= bounds.mid_mg <= bounds.high_mg:
            what = f"{bounds.low_mg} .. {bounds.mid_mg} .. {bounds.high_mg} mg do not rise from 0"
            found.append(Finding(where=where, what=what))
        if found:
            raise DataError(*found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a company emitted in a year, by scope: gross, before any offset.

    All lines are weighed by one GWP set; DataError where a line is of another (one in CO2e may
    leave it unstated, and is listed so), and where electricity by a life-cycle factor, which
    counts what is upstream of the plants, stands beside that in scope 3.
    """

    gwp: str
    lines: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        """Check that no total would mix two sets."""
        if self.gwp not in GWP_SETS:
            what = f"unknown GWP set {self.gwp!r}"
            raise DataError(
                Finding(where="gwp", what=what, remedy=f"one of {', '.join(GWP_SETS)}")
            )
        found = [*self._mixed(), *self._twice()]
        if found:
            raise DataError(*found)

    def _mixed(self) -> list[Finding]:
        others = {
            (line.factor_id, line.gwp)
            for line in self.lines
            if line.gwp not in (self.gwp, UNSTATED)
        }
        what = f"the inventory by {self.gwp}"
        remedy = f"give its gases one by one, or a factor of {self.gwp}"
        return [
            Finding(where=f"factor {name}", what=f"is weighed by {gwp}, {what}", remedy=remedy)
            for name, gwp in sorted(others)
        ]

    def _twice(self) -> list[Finding]:
        upstream = {line.site for line in self.lines if line.category == UPSTREAM_ENERGY}
        whole = {line.site for line in self.lines if line.basis == "lifecycle" and line.method}
        both = whole if "" in upstream else whole & upstream
        what = "its electricity has a life-cycle factor and upstream emissions as well"
        remedy = "price it with a direct factor, or leave out what is upstream"
        return [Finding(where=f"site {s}", what=what, remedy=remedy) for s in sorted(both)]

    def __add__(self, other: Inventory) -> Inventory:
        """Return both as one; TypeError for another book, DataError for another GWP set."""
        if not isinstance(other, Inventory):
            return NotImplemented
        if other.gwp != self.gwp:
            what = f"{self.gwp} and {other.gwp} are not added"
            raise DataError(Finding(where="gwp", what=what, remedy="weigh both by one set"))
        return replace(self, lines=(*self.lines, *other.lines))

    def total(self, method: Method, keep: Callable[[Line], bool] = lambda _line: True) -> Range:
        """Return the sum of the lines that `keep` takes, scope 2 by `method`."""
        return sum_of(
            line.emissions for line in self.lines if line.method in ("", method) and keep(line)
        )

    def scopes(self, method: Method, *numbers: int) -> Range:
        """Return the sum of some scopes, by `method`."""
        return self.total(method, lambda line: line.scope in numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What something avoided against a named baseline; negative where it emitted more."""

    year: int
    name: str
    baseline: str
    signal: Signal
    low_mg: int
    mid_mg: int
    high_mg: int
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Avoided:
    """What was avoided against named baselines: no part of any inventory.

    Marginal signals are allowed here. Savings by two signals are listed, never summed.
    """

    savings: tuple[Saved, ...] = ()

    def __add__(self, other: Avoided) -> Avoided:
        """Return both as one; TypeError for another book."""
        if not isinstance(other, Avoided):
            return NotImplemented
        return Avoided(savings=(*self.savings, *other.savings))

    def total_mg(self, signal: Signal) -> int:
        """Return the sum of the savings by one signal."""
        return sum(saved.mid_mg for saved in self.savings if saved.signal == signal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """A certificate of emissions avoided or removed elsewhere.

    `vintage` is the year in which that was; `retired` the year for which it was cancelled, None
    while it could still be sold.
    """

    registry: str
    serial: str
    kind: str
    vintage: int
    owner: str
    mass_mg: int
    retired: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsets:
    """Offsets of a company for a year: in a box of their own, in no total of an inventory.

    One that is owned by somebody else, is not retired or is retired for another year is listed
    with the reason and never counted. DataError where a serial comes twice.
    """

    owner: str
    year: int
    offsets: tuple[Offset, ...] = ()

    def __post_init__(self) -> None:
        """Check that nothing is counted twice."""
        seen: set[tuple[str, str]] = set()
        found = []
        for offset in self.offsets:
            key = (offset.registry, offset.serial)
            if key in seen:
                where = f"offset {offset.registry} {offset.serial}"
                found.append(Finding(where=where, what="is given twice", remedy="keep one"))
            seen.add(key)
        if found:
            raise DataError(*found)

    def __add__(self, other: Offsets) -> Offsets:
        """Return both as one; TypeError for another book, DataError for another owner or year."""
        if not isinstance(other, Offsets):
            return NotImplemented
        if (other.owner, other.year) != (self.owner, self.year):
            what = f"those of {self.owner} for {self.year} and {other.owner} for {other.year}"
            raise DataError(Finding(where="offsets", what=f"{what} are not added"))
        return replace(self, offsets=(*self.offsets, *other.offsets))

    def why_not(self, offset: Offset) -> str:
        """Return why an offset is not counted; empty where it is."""
        if offset.owner != self.owner:
            return f"owned by {offset.owner}"
        if offset.retired is None:
            return "not retired"
        if offset.retired != self.year:
            return f"retired for {offset.retired}"
        if offset.vintage > self.year:
            return f"of {offset.vintage}, later than the year"
        return ""

    @property
    def counted_mg(self) -> int:
        """Return the mass of the offsets that count."""
        return sum(offset.mass_mg for offset in self.offsets if not self.why_not(offset))


def sum_of(ranges: Iterable[Range]) -> Range:
    """Return the sum of ranges, bound by bound."""
    return sum(ranges, Range())
