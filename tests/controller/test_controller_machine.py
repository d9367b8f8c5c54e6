"""Hypothesis plays people, faults and time around the controller, and shrinks what breaks it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from greensched.units import MS_PER_H, MS_PER_MIN
from tests.controller.bugs import MissingIsZero
from tests.controller.cases import START_MS, policy_body
from tests.controller.monitor import ViolationError
from tests.controller.simulate import POLICIES, SPAN_MS, Patient, World
from tests.effort import examples

FAULTS = {
    "overload": 0.2,
    "failure": 0.2,
    "forbidden": 0.2,
    "silence": 0.1,
    "lost": 0.2,
    "crash": 0.03,
    "slow": 0.1,
    "cut": 0.3,
    "repeated": 0.3,
    "swapped": 0.3,
    "race": 0.2,
}
ROUGH_MS = 12 * MS_PER_H  # the grid's own faults last so long
DRAWN = st.integers(0, 2**32)


class Cluster(RuleBasedStateMachine):
    """Safety at every write and after every step; at the end of each history, liveness."""

    factory: type[Patient] = Patient

    @initialize(seed=DRAWN, replicas=st.integers(1, 2))
    def begin(self, seed: int, replicas: int) -> None:
        """Start with a policy, a grid that is drawn, and no fault."""
        self.world = world = World(seed, self.factory)
        world.faults.__dict__.update(dict.fromkeys(FAULTS, 0.0), still=0.0, stale_ms=0)
        world.has_way_out = True
        world.replicas = [None] * replicas
        world._do("POST", POLICIES, policy_body(**world._drawn_policy()))
        for k in range(replicas):
            world._start(k)
        world.at(START_MS, world._way_out)
        self.names: list[str] = []

    @rule(seed=DRAWN)
    def jobs_come(self, seed: int) -> None:
        """Somebody makes three Jobs."""
        self.world.random = Random(seed)  # noqa: S311 - no secret
        for _ in range(3):
            self.names.append(f"job-{len(self.names)}")
            self.world._new_job(self.names[-1])

    @precondition(lambda self: self.names)
    @rule(seed=DRAWN, which=st.integers(0, 20))
    def somebody_meddles(self, seed: int, which: int) -> None:
        """Somebody edits, holds, lets run, unlabels or deletes a Job."""
        self.world.random = Random(seed)  # noqa: S311
        self.world._meddle(self.names[which % len(self.names)])

    @rule(seed=DRAWN)
    def somebody_governs(self, seed: int) -> None:
        """Somebody pauses, deletes, doubles or breaks the policy, for a while."""
        self.world.random = Random(seed)  # noqa: S311
        self.world._govern()

    @rule(name=st.sampled_from(sorted(FAULTS)), holds=st.booleans())
    def the_network_changes(self, name: str, holds: bool) -> None:
        """One kind of fault begins, or ends."""
        setattr(self.world.faults, name, FAULTS[name] if holds else 0.0)

    @rule(k=st.integers(0, 1), minutes=st.integers(1, 120))
    def a_process_ends(self, k: int, minutes: int) -> None:
        """A replica is down for a while."""
        if k < len(self.world.replicas) and self.world.replicas[k] is not None:
            self.world._stop(k, minutes * MS_PER_MIN)

    @rule()
    def history_is_compacted(self) -> None:
        """Who watches from before has to list again."""
        self.world.store.compact()

    @rule(minutes=st.sampled_from([1, 5, 30, 120]))
    def time_passes(self, minutes: int) -> None:
        """Minutes or hours pass."""
        self._go_to(self.world.clock.time_ms + minutes * MS_PER_MIN)

    @invariant()
    def nothing_waits_that_must_not(self) -> None:
        """No Job is ten minutes late."""
        if hasattr(self, "world"):
            self.world.monitor.look()

    def teardown(self) -> None:
        """All faults end; then all that may run runs, ends and is closed."""
        if hasattr(self, "world"):
            self._go_to(max(self.world.clock.time_ms, START_MS + ROUGH_MS))
            self.world._calm()
            self._go_to(self.world.clock.time_ms + SPAN_MS)
            self.world._at_rest()

    def _go_to(self, time_ms: int) -> None:
        while self.world.queue and self.world.queue[0][0] <= time_ms:
            self.world._step()
        self.world.clock.time_ms = max(self.world.clock.time_ms, time_ms)


Cluster.TestCase.settings = settings(max_examples=examples(15), stateful_step_count=12)
TestCluster = Cluster.TestCase


class Careless(Cluster):
    """The same around a controller that reads a missing intensity as 0."""

    factory = MissingIsZero


@pytest.mark.slow
def test_a_planted_bug_is_found() -> None:
    """A controller that waits for hours of which nobody told breaks a promise in some history."""
    some = settings(max_examples=200, stateful_step_count=15, phases=[Phase.generate])
    with pytest.raises(ViolationError):
        run_state_machine_as_test(Careless, settings=some)
