"""What can be watched, and how an argument is told to be one of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from greensched.batch import folder as batch_folder
from greensched.errors import Finding, UsageError
from greensched.ledger import default_ledger
from greensched.report.outputs import SUMMARY
from greensched.serve.watch.ledger import LedgerWatch
from greensched.serve.watch.metrics import MetricsWatch
from greensched.serve.watch.queue import QueueWatch
from greensched.serve.watch.result import ResultWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.ledger import VerifierKey
    from greensched.serve.look import Watch

WHAT: Final = "a folder of results, a ledger, a batch queue's folder or http://HOST:PORT/metrics"


def watches_of(places: Sequence[str], key: VerifierKey | None = None) -> list[Watch]:
    """Return what is to be watched at `places`; without any the user's own queue and ledger.

    `key` is the public key that ledgers are held to. Raises UsageError with all that is nothing of
    the kind.
    """
    if not places:
        return [QueueWatch(batch_folder.default_folder()), LedgerWatch(default_ledger(), key)]
    found: list[Watch] = []
    findings: list[Finding] = []
    for text in dict.fromkeys(places):
        one = _watch_of(text, key)
        if isinstance(one, Finding):
            findings.append(one)
        else:
            found.append(one)
    if findings:
        raise UsageError(*findings)
    return found


def _watch_of(text: str, key: VerifierKey | None) -> Watch | Finding:
    """Return what watches a place, or what is wrong with it."""
    if text.startswith(("http://", "https://")):
        return MetricsWatch(text)
    path = Path(text)
    if path.is_file():
        return LedgerWatch(path, key)
    if not path.is_dir():
        return Finding(where=text, what="is not there", remedy=f"name {WHAT}")
    if (path / batch_folder.DATABASE).is_file():
        return QueueWatch(path)
    if (path / SUMMARY).is_file():
        return ResultWatch(path)
    return Finding(where=text, what="is neither a result nor a queue", remedy=f"name {WHAT}")
