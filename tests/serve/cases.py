"""What tests of the control centre watch, and the board of what is seen."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from greensched.serve.board import board_of
from tests.ledger.cases import Case, new_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greensched.serve.board import Board
    from greensched.serve.look import Watch

NOON_MS = 1_795_176_000_000  # 2026-11-20T12:00Z
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m"


def settlement(number: int, saved_mg: int, end_ms: int = NOON_MS, **more: Any) -> dict[str, Any]:
    """Return what the controller writes of a settled Job."""
    return {
        "type": "settlement",
        "key": f"k8s/{number}",
        "job": "train",
        "created_utc_ms": end_ms - 8 * HOUR_MS,
        "runs": [[end_ms - HOUR_MS, end_ms, True]],
        "saved_mg": saved_mg,
        "intensity": {"status": "actual", "synthetic": False},
        **more,
    }


def ledger_of(folder: Path, *records: dict[str, Any], kind: str = "operated") -> Case:
    """Return a new ledger with these records."""
    case = new_case(folder, kind=kind)
    case.append(*records)
    return case


def seen(watches: Sequence[Watch], now_ms: int = NOON_MS, target_g: float | None = None) -> Board:
    """Return the board of what is seen, by days of UTC."""
    return board_of([watch.look(now_ms) for watch in watches], now_ms, target_g, UTC)
