"""What policies see of machines between the instants at which these change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greensched.engine.simulate import simulate
from tests.engine.worlds import machines, services, setting

if TYPE_CHECKING:
    from greensched.model import Snapshot

MIN_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """A policy that does nothing and keeps what services used of each machine."""

    seen: list[list[float]]
    period_ms: int = MIN_MS
    kind: str = "watching"

    def first_memory(self) -> None:
        """Return the memory before the first wake: none."""

    def decide(self, snapshot: Snapshot, memory: None) -> tuple[tuple[()], None]:
        """Keep what is seen."""
        self.seen.append(snapshot.machines.online_use_cpu_m.tolist())
        return (), memory


def test_use_is_the_mean_since_the_wake_before_also_where_nothing_changed() -> None:
    """A load of 500 m that becomes 800 m after 90 s is seen as 500, 650 and 800 m."""
    policy = Watching(seen=[])
    simulate(
        setting(
            machines(role="online"),
            services=services({"load_cpu_m": [500, 800]}, step_ms=90_000),
            policies=(policy,),
            window_ms=4 * MIN_MS,
        )
    )
    assert [[500.0], [650.0], [800.0]] == policy.seen[1:]
