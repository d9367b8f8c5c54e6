"""The twin's reserved shares: what idle power is split by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.twin import Machine

WHOLE = 1_000_000


def share(machine: Machine, need: Any) -> int:
    """Return the dominant share of a machine that is reserved, in millionths."""
    kind = machine.kind
    parts: list[int] = [
        need.cpu_m * WHOLE // kind.cpu_m,
        need.memory_mib * WHOLE // max(1, kind.memory_mib),
    ]
    if need.gpu_m:
        parts.append(need.gpu_m * WHOLE // (1000 * kind.gpus))
    return max(parts)
