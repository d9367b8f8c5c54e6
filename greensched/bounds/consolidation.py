"""Fewest servers for databases that stay where they are put: peaks of sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.model import IntArray


def peaks_of_sums(demand: Mapping[str, IntArray], capacity: Mapping[str, int]) -> dict[str, int]:
    """Return, for each resource, ceil(max_t sum_i d_i(t) / capacity) servers.

    `demand[resource]` [instances, T] whole numbers of a unit (what does not change has T = 1), and
    `capacity[resource]` of one server in the same unit.

    Source: the vector lower bound of Kairos (Curino et al., SIGMOD 2011, doi
    10.1145/1989323.1989357). Loose because instances are cut at will among servers, and each
    resource is looked at alone.
    """
    return {
        name: -(-int(np.asarray(rows, np.int64).sum(axis=0).max(initial=0)) // int(capacity[name]))
        for name, rows in demand.items()
    }


def fewest_for_databases(
    demand: Mapping[str, IntArray], capacity: Mapping[str, int], copies: int = 1
) -> int:
    """Return the largest of `peaks_of_sums`, at least the servers that `copies` must be apart.

    `demand` counts every copy. Loose as `peaks_of_sums`, and because only the copies of one
    instance are kept apart.
    """
    return max([copies, *peaks_of_sums(demand, capacity).values()])
