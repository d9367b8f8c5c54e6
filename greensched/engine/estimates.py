"""How long jobs are thought to run: as given, else as those of their size ran before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.model import NONE
from greensched.units import MS_PER_H

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from greensched.model import IntArray, Jobs

UNKNOWN_MS: Final = MS_PER_H  # a job's estimate until one of its size has finished


def sizes(jobs: Jobs) -> NDArray[np.int32]:
    """Return each job's row of learnt durations: jobs of equal class and size share one."""
    size = np.zeros(len(jobs), np.int64)
    for column in (jobs.job_class, jobs.cpu_m, jobs.memory_mib, jobs.gpu_m):
        if bool((column == column[0]).all()):
            continue  # most traces vary in few columns, and sorting is what costs
        codes = np.unique(column, return_inverse=True)[1]
        size = size * (int(codes.max()) + 1) + codes
        size = np.unique(size, return_inverse=True)[1]
    return size.astype(np.int32)


class Estimates:
    """What whoever holds jobs may know of their durations; it learns from those it was told of."""

    def __init__(self, jobs: Jobs) -> None:
        """Begin with what is given."""
        self._given_ms, self._duration_ms = jobs.estimate_ms, jobs.duration_ms
        self._all_given = not bool((jobs.estimate_ms == NONE).any())
        self._size = np.zeros(0, np.int32) if self._all_given else sizes(jobs)
        self._learnt = np.zeros((2, int(self._size.max(initial=0)) + 1), np.int64)

    def learn(self, ended: IntArray) -> None:
        """Take note of jobs that have ended."""
        if self._all_given:
            return
        rows, own_ms = self._size[ended], self._duration_ms[ended]
        np.add.at(self._learnt[0], rows, 1)
        np.add.at(self._learnt[1], rows, own_ms)

    def of(self, who: IntArray) -> IntArray:
        """Return the estimated durations [ms]: given, else the mean of the size, else 1 h."""
        given_ms: IntArray = self._given_ms[who]
        if self._all_given:
            return given_ms
        count, total_ms = self._learnt[:, self._size[who]]
        mean_ms = np.where(count > 0, total_ms // np.maximum(count, 1), UNKNOWN_MS)
        found: IntArray = np.where(given_ms == NONE, mean_ms, given_ms)
        return found
