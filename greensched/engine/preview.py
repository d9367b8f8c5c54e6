"""Simulate before acting: a policy decides on replicas that are only reckoned with.

A policy whose `preview` is true sees, in place of the replicas that there are, those that it would
have by now, and its actions go nowhere. What it would have kept is compared with what there was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from greensched.model import Scale
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greensched.model import Action, IntArray, Snapshot

CPU_M_PER_CORE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a policy that was previewed would have done, means over its looks."""

    kind: str
    replicas: float  # that it would have kept
    replicas_there: float  # that served or started
    cores_less: float  # reserved
    short_min: float  # service-minutes in which the load was above its replicas' CPU


class Shadow:
    """The replicas that a policy would have, were it obeyed at once."""

    def __init__(self, kind: str) -> None:
        """Begin with what is there at the first look."""
        self.kind = kind
        self._replicas: IntArray | None = None
        self._sums = np.zeros(5)  # ms, then replicas, those there, cores less and services short

    def seen(self, snapshot: Snapshot) -> Snapshot:
        """Return what the policy is shown, the time since its last look being reckoned with."""
        view = snapshot.services
        there = view.online + view.starting
        if self._replicas is None:
            there.flags.writeable = False
            self._replicas = there
        own, each = self._replicas, view.replica_cpu_m
        cores_less = float((there - own) @ each) / CPU_M_PER_CORE
        short = int((view.load_cpu_m > own * each).sum())
        per_ms = np.array([1.0, own.sum(), there.sum(), cores_less, short])
        self._sums += per_ms * snapshot.period_ms
        none = np.zeros_like(own)
        none.flags.writeable = False
        services = replace(view, online=own, starting=none, pending=none, cutoff=none)
        return replace(snapshot, services=services, steady_since_ms=snapshot.now_ms)

    def obey(self, actions: Iterable[Action]) -> None:
        """Have the replicas that `actions` ask for."""
        assert self._replicas is not None
        wanted = self._replicas.copy()
        for action in actions:
            if isinstance(action, Scale):
                wanted[action.services] = action.replicas
        wanted.flags.writeable = False
        self._replicas = wanted

    def result(self) -> Preview:
        """Return what it would have done until its last look."""
        past_ms, replicas, there, cores_less, short_ms = self._sums.tolist()
        past_ms = max(past_ms, 1.0)
        return Preview(
            kind=self.kind,
            replicas=replicas / past_ms,
            replicas_there=there / past_ms,
            cores_less=cores_less / past_ms,
            short_min=short_ms / MS_PER_MIN,
        )
