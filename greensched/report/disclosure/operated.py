"""The ledger that a statement rests on: verified first, and never one of simulations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import DataError, Finding
from greensched.ledger import verify
from greensched.ledger.text import first_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from greensched.ledger import SignedCheckpoint, Verified, VerifierKey


TOLD_ROWS: Final = 1_000
SUPERSEDES: Final = b'"supersedes"'  # is in every row that corrects one, and in few others


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """A verified ledger of machines that ran: its rows up to the checkpoint that was verified."""

    path: Path
    verified: Verified

    @property
    def size(self) -> int:
        """Return the number of rows that were verified."""
        return self.verified.checkpoint.checkpoint.size

    def superseded(self) -> frozenset[str]:
        """Return the keys of the rows that later ones correct."""
        rows = (data for _, data in first_rows(self.path, self.size) if SUPERSEDES in data)
        return frozenset(str(r["supersedes"]) for r in map(json.loads, rows) if "supersedes" in r)

    def records(
        self, progress: Callable[[float], None] = lambda _share: None
    ) -> Iterator[dict[str, Any]]:
        """Yield the records, in their order; `progress` is told the share of rows read."""
        for row, data in first_rows(self.path, self.size):
            if row % TOLD_ROWS == 0:
                progress(row / self.size)
            yield json.loads(data)


def operated(
    path: Path,
    key: VerifierKey,
    kept: Sequence[SignedCheckpoint] = (),
    progress: Callable[[float], None] = lambda _share: None,
) -> Operated:
    """Return the verified ledger in a file; raises DataError where it is damaged or simulated."""
    verified = verify(path, key, kept, progress=progress)
    if verified.kind != "operated":
        what = f"holds {verified.kind} entries: nothing of it was emitted"
        remedy = "a statement needs a ledger of kind operated (greensched ledger init)"
        raise DataError(Finding(where=str(path), what=what, remedy=remedy))
    return Operated(path=path, verified=verified)
