"""How many replicas a load needs so that waits are short: Erlang C, up to a utilisation."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from greensched.policies.kernels import staffing as kernels
from greensched.policies.memory import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.model import FloatArray, IntArray, ServiceView

Tables: TypeAlias = "tuple[IntArray, FloatArray, FloatArray, FloatArray]"
CORES_FIRST = 1024  # tables reach further where a load asks for it
CORES_MAX = 100_000


class Staffing(NamedTuple):
    """P(W > `wait_ms`) <= `wait_share` in M/M/c, and use of at most `max_utilisation`."""

    wait_ms: float
    wait_share: float
    max_utilisation: float

    def replicas(self, view: ServiceView, loads_cpu_m: FloatArray) -> IntArray:
        """Return the smallest numbers of replicas [T, S] under whose cores waits are short.

        For loads [T, services].
        """
        needed = np.empty(loads_cpu_m.shape, np.int64)
        for tables in self.tables(view):
            if kernels.cover(loads_cpu_m, view.replica_cpu_m, *tables, needed):
                break
        return frozen(needed)

    def tables(self, view: ServiceView) -> Iterator[Tables]:
        """Return the tables of `kernels.cover` for services, each reaching further than before.

        None where there are no services.
        """
        if not len(view.service_time_ms):
            return
        times_ms, cores_max = view.service_time_ms.tobytes(), CORES_FIRST
        limits = self.wait_ms, self.wait_share, self.max_utilisation
        yield _tables(times_ms, *limits, cores_max)
        while cores_max < CORES_MAX:
            cores_max *= 2
            yield _tables(times_ms, *limits, cores_max)


@cache
def utilisation_table(
    waits: float, share: float, cores_max: int = CORES_MAX
) -> tuple[FloatArray, FloatArray]:
    """Return numbers of cores and the largest utilisation of each at which P(W > w) <= share.

    `waits` is w over the mean service time; the last number is the first of the grid that is not
    below `cores_max`. Utilisation is concave in the cores, so that straight lines between the
    numbers stay below it.
    """
    grid = np.unique(np.geomspace(1, CORES_MAX, 120).astype(np.int64))
    cores = frozen(grid[: int(grid.searchsorted(cores_max)) + 1])
    most = np.empty(len(cores))
    kernels.fill_utilisations(cores, waits, share, most)
    return cores.astype(np.float64), most


@cache
def _tables(
    times_ms: bytes,
    wait_ms: float,
    wait_share: float,
    max_utilisation: float,
    cores_max: int,
) -> Tables:
    """Return each service's row [S], cores [P], and load held and utilisation there [rows, P].

    `times_ms`: of the services, float64 as bytes.
    """
    distinct, row = np.unique(np.frombuffer(times_ms), return_inverse=True)
    made = [utilisation_table(wait_ms / t, wait_share, cores_max) for t in distinct.tolist()]
    cores = made[0][0]
    most = np.minimum(np.stack([table for _, table in made]), max_utilisation)
    return frozen(row.astype(np.int64)), frozen(cores), frozen(cores * most), frozen(most)
