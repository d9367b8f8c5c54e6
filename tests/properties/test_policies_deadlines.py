"""The law on deadlines: no registered policy makes a job late that has time to spare."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from hypothesis import given, settings

import greensched as gs
from greensched.engine.simulate import simulate
from greensched.experiment.partition import static_peak
from greensched.experiment.world import shared
from greensched.model import NONE, ON, ROLE_CODES, BatchLimit, Power, Suspend
from tests.effort import examples
from tests.properties.strategies import SEEDS
from tests.properties.test_policies import every_policy

if TYPE_CHECKING:
    from greensched.model import Action, Snapshot

HOURS, SLACK_S = 10, 2 * 3_600  # every deadline leaves the job's length once more, and the slack
KINDS = ("plain,false,false", "waits,true,false", "pauses,true,true")
TEXT = f"""\
apiVersion: greensched/v1
kind: Scenario
name: due
window: {{start: 2024-01-16T00:00Z, hours: {HOURS}}}
sites: [{{name: here, zone: A, pue: 1.2, intensity: {{source: grid.csv, basis: direct}}}}]
fleet:
  - {{name: m, site: here, count: 60, cores: 16, memory: 64 GiB, boot: {{time: 60 s}},
     power: {{idle: 90 W, peak: 250 W}}, sleep: {{power: 12 W, wake: 30 s}}}}
traces: {{services: services.csv, jobs: jobs.csv}}
policies: [{{kind: KIND}}]
"""


def _grid(rng: np.random.Generator) -> list[str]:
    hours = range(30 * 24)
    rows = [f"A,2024-01-{1 + h // 24:02}T{h % 24:02}:00Z,{rng.integers(20, 900)}" for h in hours]
    return ["zone,timestamp,carbon_intensity_g_per_kwh", *rows]


def _services(rng: np.random.Generator) -> list[str]:
    rows = ["service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"]
    for name in ("shop", "web"):
        least, span, phase = rng.integers(500, 6_000), rng.integers(1, 20_000), rng.uniform(0, 6)
        load = least + span * np.abs(np.sin(np.arange(HOURS * 6) / 12 + phase))
        rows += [f"{name},{600 * i},{int(x)},2000,2048" for i, x in enumerate(load)]
    return rows


def _jobs(rng: np.random.Generator) -> list[str]:
    """Return jobs with deadlines, of which some may wait and some pause."""
    numbers = "job,submit_s,duration_s,estimate_s,cpu_m,memory_mib,deadline_s"
    rows = [f"{numbers},class,deferrable,interruptible"]
    for i, at_s in enumerate(np.sort(rng.integers(0, HOURS * 3_600, 40)).tolist()):
        length_s = int(rng.integers(60, 5_000))
        size = f"{rng.choice([1_000, 4_000, 12_000])},{rng.integers(100, 9_000)}"
        due_s = at_s + 2 * length_s + SLACK_S
        rows.append(f"j{i},{at_s},{length_s},{length_s},{size},{due_s},{rng.choice(KINDS)}")
    return rows


def world(kind: str, seed: int) -> Any:
    """Return what all runs of a small random world share whose switch is `kind`."""
    rng = np.random.default_rng(seed)
    files = {"grid": _grid(rng), "services": _services(rng), "jobs": _jobs(rng)}
    with tempfile.TemporaryDirectory(prefix="due-") as name:
        folder = Path(name)
        for part, rows in files.items():
            (folder / f"{part}.csv").write_text("\n".join(rows), encoding="utf-8")
        (folder / "due.yaml").write_text(TEXT.replace("KIND", kind), encoding="utf-8")
        return shared(gs.load(folder / "due.yaml"))


def outcomes(known: Any, *policies: Any) -> Any:
    """Return what becomes of the jobs where `policies` are on.

    Batch has the fewest machines that do, but room for all where jobs are held: who is let go at
    the latest start cannot be promised that nobody else is on the machines then.
    """
    fleet, batch = static_peak(known, None), ROLE_CODES["batch"]
    rest = NONE if known.carbon is None else batch
    roles = np.where(fleet.roles == NONE, rest, fleet.roles).astype(np.int8)
    given = {"roles": roles, "replicas": fleet.replicas, "places": fleet.places}
    return simulate(known.setting("due", policies=policies, **given)).jobs


def late(known: Any, *policies: Any) -> set[int]:
    """Return the jobs that miss their deadline where `policies` are on."""
    end_ms = outcomes(known, *policies).end_ms
    missed = (end_ms == NONE) | (end_ms > known.workload.jobs.deadline_ms)
    return set(np.flatnonzero(missed).tolist())


@every_policy
@settings(max_examples=examples(6))
@given(seed=SEEDS)
def test_no_deadline_is_missed_that_nothing_would_have_met(name: str, seed: int) -> None:
    """Who ends in time where nothing is decided ends in time with the policy, given two hours."""
    known = world(name, seed)
    assert set() == late(known, *known.scenario.policies) - late(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spiteful:
    """Lets jobs run beside services alone, and throws them out at every other wake."""

    kind: ClassVar[str] = "spiteful"
    period_ms: int = 600_000

    def first_memory(self) -> None:
        """Return nothing."""

    def decide(self, snapshot: Snapshot, memory: None) -> tuple[tuple[Action, ...], None]:
        """Take batch's machines away, and give those of others for ten minutes."""
        m = snapshot.machines
        batch = m.role == ROLE_CODES["batch"]
        beside, own = np.flatnonzero(~batch), np.flatnonzero(batch & (m.state == ON))
        share = float(snapshot.now_ms // self.period_ms % 2)
        room = (m.cpu_m[beside], m.memory_mib[beside])
        cpu_m, memory_mib = ((part * share).astype(np.int64) for part in room)
        limit = BatchLimit(
            machines=beside, cpu_m=cpu_m, memory_mib=memory_mib, use_share=share, evict=share == 0
        )
        return (Power(machines=own, to="sleep"), limit), memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Hoarder:
    """Pauses every job that may pause, and resumes none."""

    kind: ClassVar[str] = "hoarder"
    shifts: ClassVar[bool] = True
    period_ms: int = 3_600_000
    max_delay_ms: int = 86_400_000

    def first_memory(self) -> None:
        """Return nothing."""

    def decide(self, snapshot: Snapshot, memory: None) -> tuple[tuple[Action, ...], None]:
        """Pause all that run."""
        waiting = snapshot.waiting
        assert waiting is not None
        jobs = waiting.job[waiting.running & waiting.interruptible]
        return (Suspend(jobs=jobs, at_ms=np.full(len(jobs), snapshot.now_ms)),), memory


def test_spite_is_found() -> None:
    """A policy that throws jobs out on purpose makes nearly all late, so the law can fail."""
    known = world("colocation", 0)
    assert len(known.workload.jobs) / 2 < len(late(known, Spiteful()) - late(known))


def test_the_engine_keeps_who_is_paused_for_ever() -> None:
    """Jobs that a policy pauses and never resumes go on in time: the engine sees to it."""
    known = world("shifting", 0)
    assert 0 < outcomes(known, Hoarder()).pauses.sum()
    assert set() == late(known, Hoarder())
