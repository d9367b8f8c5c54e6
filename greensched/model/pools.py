"""Pools: services that share machines, because their replicas take no GPUs or because they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from greensched.model.codes import IntArray

A = TypeVar("A", bound=NDArray[Any])

POOLS = 2  # without GPUs, with GPUs


def with_sums(values: A, replica_gpu_m: IntArray) -> A:
    """Return `values` [services, ...] with the sums of each pool as POOLS more rows."""
    both: A = np.concatenate([values, by_pool(values, replica_gpu_m)])
    return both


def by_pool(values: A, replica_gpu_m: IntArray) -> A:
    """Return the sums [POOLS, ...] of `values` [services, ...] over the services of each pool."""
    takes = replica_gpu_m > 0
    sums: Any = np.stack([values[~takes].sum(axis=0), values[takes].sum(axis=0)])
    return sums  # type: ignore[no-any-return]
