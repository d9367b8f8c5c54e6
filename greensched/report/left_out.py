"""What a figure leaves out, said in its own name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.report.difference_rows import Line

LATENCY: Final = "service.latency_factor_p99"
WITHOUT_BATCH: Final = "p99 latency (no batch)"


def is_batch_left_out(summary: Mapping[str, Any]) -> bool:
    """Say whether there is batch, and nothing of what it does to services' latency is modelled."""
    told = summary.get("interference")
    if told is None or not summary["scenario"]["batch"]["jobs"]:
        return False
    return told["model"] == "none" and told["slowdown_mean"] in {None, 1.0}


def named(rows: tuple[Line, ...], summary: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return the rows of a result; that of latency says where batch is left out of it."""
    if not is_batch_left_out(summary):
        return rows
    return tuple(replace(r, label=WITHOUT_BATCH) if r.key == LATENCY else r for r in rows)
