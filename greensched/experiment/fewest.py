"""The fewest machines that serve and compute, over the ways in which a fleet may be filled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import plural
from greensched.experiment.batch_machines import fewest_for_batch, orders
from greensched.experiment.databases import DATABASE
from greensched.experiment.filling import Filling, fillings
from greensched.model import ROLE_CODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.world import Shared
    from greensched.model import Int8Array, IntArray

NOBODY: Final = np.empty(0, np.int64)
_ONLINE = ROLE_CODES["online"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fewest:
    """Machines that hold the replicas of the peak, those for batch, and what batch misses.

    `batch_types`: machine types in the order in which batch took them; empty: in proportion.
    """

    filling: Filling
    batch: IntArray
    batch_types: tuple[int, ...] = ()
    finding: str | None = None

    @property
    def total(self) -> int:
        """Return how many there are."""
        return len(self.filling.machines) + len(self.batch)


def fewest_machines(
    shared: Shared,
    own: Int8Array,
    replicas: IntArray | None,
    progress: Callable[[str, float], None] | None,
) -> Fewest:
    """Return the fewest machines that hold all replicas and keep batch's objectives beside them.

    `own` are the machines' roles by type [machines]. Of ways that take equally many the one listed
    first is taken. Where batch misses its objectives in all, it gets all that the fewest that
    serve leave.
    """
    ways, jobs = fillings(shared, replicas), shared.workload.jobs
    if jobs is None or not len(jobs):
        return min((Fewest(filling=way, batch=NOBODY) for way in ways), key=lambda one: one.total)
    choices = [
        Fewest(filling=way, batch=order, batch_types=types)
        for way in ways
        for types, order in orders(shared, jobs, _left(own, way)).items()
    ]
    found: dict[int, Fewest] = {}
    best = len(choices)
    # what serves on few machines is likely to be the best, and soon shows what is not
    likely = sorted(range(len(choices)), key=lambda i: (len(choices[i].filling.machines), -i))
    for done, i in enumerate(likely):

        def tell(share: float, done: int = done) -> None:
            if progress is not None:
                progress("sizing static-peak", (done + share) / len(choices))

        one = choices[i]
        most = len(one.batch)
        if found:
            most = found[best].total - len(one.filling.machines) - (i > best)
        count = fewest_for_batch(shared, jobs, one.batch[: max(0, most)], tell)
        if count is not None:
            found[i], best = replace(one, batch=one.batch[:count]), i
    return found[best] if found else _missed(choices)


def _missed(choices: list[Fewest]) -> Fewest:
    """Return what batch gets where none of `choices` keeps its objectives, with that finding."""
    # of equal ones the last, in which the largest serve: what they leave is easier to give out
    one = min(reversed(choices), key=lambda choice: len(choice.filling.machines))
    left = len(one.batch)
    if not left:
        return replace(one, finding="no machine is left for batch")
    finding = f"batch misses its objectives even with all {plural(left, 'machine')} left"
    return replace(one, finding=finding)


def _left(own: Int8Array, way: Filling) -> IntArray:
    """Return the machines that may compute and serve nobody."""
    free = (own != _ONLINE) & (own != DATABASE)
    free[way.machines] = False
    return np.flatnonzero(free)
