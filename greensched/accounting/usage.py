"""Usage: joules and machine time by interval, site, machine type and role.

What a simulation, the batch runner or a meter hands to `account`. No interval may cross a
breakpoint of intensity or PUE: `usage_edges` makes such a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from greensched.errors import InternalError
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.model import FloatArray, IntArray

GroupRole: TypeAlias = Literal[
    "online",
    "shared",
    "lent",
    "batch",
    "booting",
    "sleeping",
    "off",
    "surplus",
    "database",
    "out",
]
ROLES: Final[tuple[GroupRole, ...]] = (
    "online",
    "shared",  # an online machine on which batch runs beside replicas
    "lent",
    "batch",
    "booting",
    "sleeping",
    "off",
    "surplus",  # not part of this run's fleet: off in the baseline as well
    "database",  # a machine that is on for databases
    "out",  # failed, or under maintenance
)
ROLES_ON: Final = frozenset(ROLES) - {"sleeping", "off", "surplus", "out"}
ROLES_RELEASED: Final = frozenset(
    ("sleeping", "off", "surplus")
)  # where a type is released at all
INTERVAL_LONGEST_MS: Final = 5 * MS_PER_MIN


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Group:
    """Machines of one type at one site in one role."""

    site: str
    machine_type: str
    role: GroupRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """IT energy and machine time of `groups` (columns) in K intervals (rows).

    `edges_ms` int64[K + 1] since the scenario's start; `energy_j` float64[K, G] [J];
    `machine_ms` int64[K, G] [machine-milliseconds in that role]. Raises InternalError where
    shapes do not match, edges do not rise, or a value is negative or not finite.
    """

    edges_ms: IntArray
    groups: tuple[Group, ...]
    energy_j: FloatArray
    machine_ms: IntArray

    def __post_init__(self) -> None:
        """Check what the account relies on."""
        shape = (len(self.edges_ms) - 1, len(self.groups))
        if self.energy_j.shape != shape or self.machine_ms.shape != shape:
            message = (
                f"usage has {shape[0]} intervals and {shape[1]} groups, but energy of shape "
                f"{self.energy_j.shape} and machine time of shape {self.machine_ms.shape}"
            )
            raise InternalError(message)
        if shape[0] < 1 or bool(np.any(np.diff(self.edges_ms) <= 0)):
            message = "the edges of usage do not rise"
            raise InternalError(message)
        if len(set(self.groups)) != len(self.groups):
            message = "usage names a group twice"
            raise InternalError(message)
        bad = ~(np.isfinite(self.energy_j) & (self.energy_j >= 0.0)) | (self.machine_ms < 0)
        if bool(np.any(bad)):
            k, g = (int(i) for i in np.argwhere(bad)[0])
            message = (
                f"usage of {self.groups[g]} in interval {k} is {self.energy_j[k, g]!r} J and "
                f"{self.machine_ms[k, g]!r} machine-ms: negative or not finite"
            )
            raise InternalError(message)

    @property
    def window_ms(self) -> int:
        """Return the length of all intervals together [ms]."""
        return int(self.edges_ms[-1] - self.edges_ms[0])


def machine_on_ms(usage: Usage) -> IntArray:
    """Return int64[K]: machine-milliseconds on (any state but off, sleeping and out)."""
    on = np.array([group.role in ROLES_ON for group in usage.groups], np.bool_)
    sums: IntArray = usage.machine_ms[:, on].sum(axis=1, dtype=np.int64)
    return sums


def usage_edges(
    window_ms: int, breakpoints_ms: Iterable[IntArray], longest_ms: int = INTERVAL_LONGEST_MS
) -> IntArray:
    """Return the edges [ms] of a window: all breakpoints in it, at most `longest_ms` apart.

    The grid of `longest_ms` counts from the window's start, so that it does not depend on the
    breakpoints.
    """
    grid = np.arange(0, window_ms, longest_ms, dtype=np.int64)
    edges = np.unique(np.concatenate([grid, *breakpoints_ms, [0, window_ms]]).astype(np.int64))
    return edges[(edges >= 0) & (edges <= window_ms)]
