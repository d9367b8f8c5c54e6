"""The machines that a size is looked for among, and those that have to be left over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from greensched.experiment.size_probe import BATCH, ONLINE
from greensched.model import NONE

if TYPE_CHECKING:
    from greensched.experiment.size_search import Size
    from greensched.model import Int8Array, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Machines that may fail at once: a number, or a share of the whole fleet bought."""

    machines: int = 0
    share: float = 0.0

    def added(self, needed: int) -> int:
        """Return how many machines more than `needed` there have to be."""
        if self.share:
            return int(np.ceil(needed / (1.0 - self.share) - 1e-9)) - needed
        return self.machines


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Machines that may serve and that may compute, in fleet order; static-peak's come first.

    The first `size` of each are what static-peak takes, the rest is its surplus.
    """

    serve: IntArray
    compute: IntArray
    size: Size

    @property
    def most(self) -> Size:
        """Return the whole fleet."""
        return len(self.serve), len(self.compute)

    def roles(self, size: Size, machines: int) -> Int8Array:
        """Return the roles of all machines where pools are cut to `size`; others are surplus."""
        roles = np.full(machines, NONE, np.int8)
        roles[self.serve[: size[0]]] = ONLINE
        roles[self.compute[: size[1]]] = BATCH
        return roles
