"""The small scenario with every objective set, for sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.report_cases import write_scenario

if TYPE_CHECKING:
    from pathlib import Path


def write_sized(folder: Path) -> Path:
    """Write it into `folder`; return its path."""
    path = write_scenario(folder)
    text = path.read_text(encoding="utf-8")
    slo = "slo: {latency_factor_p99: 2.0, shortage_share: 0.01, batch_wait_p95: 30 min}"
    old = next(line for line in text.splitlines() if line.startswith("slo:"))
    path.write_text(text.replace(old, slo), encoding="utf-8")
    return path
