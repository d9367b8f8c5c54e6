"""The stored rows, read once, checked against the manifest and picked by run."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greensched.errors import DataError, Finding
from greensched.report.explain.figure import FactorUse, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from greensched.report.outputs import Stored

SUFFIXES: Final = {"scenario": "", "baseline": "_baseline", "static_peak": "_static_peak"}


class Source:
    """The tables of a result."""

    def __init__(self, stored: Stored) -> None:
        """Read nothing yet."""
        self.stored, self.summary = stored, stored.summary
        self._tables: dict[str, pd.DataFrame] = {}

    def table(self, name: str) -> pd.DataFrame:
        """Return a table; raises DataError where it is not the one that the run wrote."""
        if name not in self._tables:
            path = self.stored.folder / f"{name}.parquet"
            told = self.stored.manifest["outputs"].get(path.name)
            if told is None or not path.is_file():
                what = "is not there: the result is of an earlier version"
                raise DataError(Finding(where=str(path), what=what, remedy="run it again"))
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != told:
                what = "is not the file that the run wrote (its SHA-256 is not the manifest's)"
                raise DataError(Finding(where=str(path), what=what, remedy="run it again"))
            self._tables[name] = self.stored.table(name)
        return self._tables[name]

    def run(self, run: str) -> str:
        """Return under which name a run's rows are kept: a run that is two stands once."""
        kept = set(self.table("parts")["run"])
        return run if run in kept else "baseline"

    def entries(self, run: str, scope: str) -> pd.DataFrame:
        """Return the entries of a run whose scope begins with `scope`."""
        table = self.table("entries")
        own = table["run"] == self.run(run)
        return table[own & table["scope"].str.startswith(scope)]

    def parts(self, run: str, part: str, quantity: str) -> pd.DataFrame:
        """Return the parts of a run by what they are (a prefix) and quantity."""
        table = self.table("parts")
        own = (table["run"] == self.run(run)) & (table["quantity"] == quantity)
        return table[own & table["part"].isin([part, f"database {part}"])]

    def told(self, run: str, quantity: str) -> float:
        """Return one number that a run's parts tell of the whole run."""
        return float(self.parts(run, "run", quantity)["value"].sum())

    def end_ms(self, run: str) -> int:
        """Return the end of a run [ms]."""
        return round(self.told(run, "end_ms"))

    def jobs(self, run: str) -> tuple[pd.DataFrame, str]:
        """Return the table of jobs and the suffix of a run's columns in it."""
        return self.table("jobs"), SUFFIXES[self.run(run)]

    def factor(self, quantity: str, *, site: str = "", machine_type: str = "") -> pd.DataFrame:
        """Return the steps of a factor of a site or machine type."""
        table = self.table("factors")
        own = (table["quantity"] == quantity) & (table["site"] == site)
        return table[own & (table["machine_type"] == machine_type)]

    def at(self, quantity: str, entries: pd.DataFrame) -> Any:
        """Return the value [rows] of a site's factor in the interval of each entry."""
        found = np.full(len(entries), np.nan)
        for site in entries["site"].unique():
            steps = self.factor(quantity, site=site).sort_values("start_ms")
            own = (entries["site"] == site).to_numpy()
            at = np.searchsorted(
                steps["start_ms"].to_numpy(), entries["start_ms"].to_numpy()[own], side="right"
            )
            found[own] = steps["value"].to_numpy()[at - 1]
        return found

    def uses(self, quantities: Sequence[str], entries: pd.DataFrame) -> tuple[FactorUse, ...]:
        """Return the factors of the sites or machine types that entries name."""
        table = self.table("factors")
        named = table["site"].isin(entries["site"].unique()) & (table["machine_type"] == "")
        named |= table["machine_type"].isin(entries["machine_type"].unique())
        found = table[named & table["quantity"].isin(quantities)]
        keys = ["quantity", "site", "machine_type", "factor_id"]
        return tuple(
            FactorUse(
                quantity=str(one["quantity"].iloc[0]),
                of=str(one["site"].iloc[0] or one["machine_type"].iloc[0]),
                factor_id=str(one["factor_id"].iloc[0]),
                vintage=", ".join(sorted({*one["factor_vintage"]} - {""})) or self._hours_of(one),
                sha256=", ".join(sorted(set(one["factor_sha256"]) - {""})),
                quality=tuple(sorted(set(one["quality"]))),
                low=float(one["value"].min()),
                high=float(one["value"].max()),
                steps=len(one),
            )
            for _, one in found.groupby(keys, sort=True)
        )

    def _hours_of(self, steps: pd.DataFrame) -> str:
        """Return from when to when the hours of a series are; empty for one value for all time."""
        if len(steps) == 1:
            return ""
        start = datetime.fromisoformat(self.summary["window"]["start_utc"])
        ends_ms = (int(steps["start_ms"].min()), int(steps["end_ms"].max()))
        first, last = (start + timedelta(milliseconds=ms) for ms in ends_ms)
        return f"hours of {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def grouped(
    file: str, where: str, frame: pd.DataFrame, by: Sequence[str], sums: Sequence[str]
) -> Rows:
    """Return rows with their sums by the columns `by`."""
    groups = frame.groupby(list(by), sort=True, dropna=False)
    table = groups[list(sums)].sum()
    table.insert(0, "rows", groups.size())
    return Rows(file=file, where=where, rows=frame, groups=table.reset_index())
