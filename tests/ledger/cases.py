"""Small ledgers to test, and where their keys are put."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greensched.ledger import Ledger, Verified, init_ledger, verifier_key, verify
from greensched.ledger.text import export_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greensched.ledger import Made, SignedCheckpoint

ORIGIN = "example.org/fleet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A ledger in a folder of its own, its key beside that folder."""

    ledger: Path
    key_file: Path
    verifier_key: str

    def append(self, *records: dict[str, Any]) -> int:
        """Append records; return how many rows there are then."""
        with Ledger(self.ledger, self.key_file) as opened:
            return opened.append(records).checkpoint.checkpoint.size

    def verify(self, *kept: SignedCheckpoint, thorough: bool = False) -> Verified:
        """Verify it with its public key."""
        return verify(self.ledger, verifier_key(self.verifier_key), kept, thorough=thorough)

    def export(self) -> str:
        """Return it as JSON."""
        return "".join(export_text(self.ledger))

    def copied(self, folder: Path) -> Case:
        """Return a copy of its files in another folder, with the same key."""
        folder.mkdir()
        for path in files(self.ledger):
            shutil.copy(path, folder / path.name)
        return Case(
            ledger=folder / self.ledger.name,
            key_file=self.key_file,
            verifier_key=self.verifier_key,
        )


def files(ledger: Path) -> list[Path]:
    """Return a ledger's files that matter: its own, what was written ahead, its checkpoint."""
    names = (ledger.name, f"{ledger.name}-wal", f"{ledger.name}.checkpoint")
    return [p for p in map(ledger.with_name, names) if p.exists()]


def job(number: int, **more: Any) -> dict[str, Any]:
    """Return a record as a settled job has one."""
    return {
        "type": "entry",
        "key": f"job/{number}/1",
        "site": "hz",
        "emissions_mg": 1_000_003 * number,
        "energy_facility_mwh": 7 * number,
        **more,
    }


def case_of(made: Made) -> Case:
    """Return a ledger that was made as a case."""
    return Case(ledger=made.ledger, key_file=made.key_file, verifier_key=made.verifier_key)


def new_case(
    folder: Path, appends: Sequence[int] = (), kind: str = "operated", origin: str = ORIGIN
) -> Case:
    """Return a new ledger in `folder`, with so many jobs appended at each of some times."""
    (folder / "ledger").mkdir(parents=True)
    made = init_ledger(folder / "ledger" / "l.sqlite", origin, kind, folder / "keys" / "own.key")
    case, at = case_of(made), 0
    for count in appends:
        case.append(*(job(at + i) for i in range(count)))
        at += count
    return case
