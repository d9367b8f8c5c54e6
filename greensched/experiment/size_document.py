"""What sizing found, and the document that tells it (`greensched/sizing/v1`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import greensched
from greensched.experiment.size_bound import NOBODY, limited_by_bound
from greensched.experiment.size_databases import bound_for_databases, databases_kept
from greensched.experiment.size_pools import reserve_types, unmet
from greensched.experiment.spare import out_at_once
from greensched.scenario.calibration import stamp_of
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greensched.bounds import Fleet
    from greensched.experiment.size_limits import Broken, Limits
    from greensched.experiment.size_pools import Pools, Reserve
    from greensched.experiment.size_search import Found
    from greensched.experiment.world import Shared
    from greensched.model import Policy
    from greensched.scenario import Scenario

SCHEMA: Final = "greensched/sizing/v1"
RESERVES: Final = "databases find no room that keeps their reserves"
NO_ROOM: Final = "databases find too little room or CPU on all machines for them"


POOLS: Final = ("serving", "computing", "databases")  # of machines in a size


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What breaks without the last machine of a pool; None: the lower bound asks for it."""

    pool: str
    machine_type: str
    broken: Broken | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """The smallest fleet of one set of switches, without reserve.

    `pools`: how many machines of each type serve, and compute.
    `by_type` [machines] is None where not even the whole fleet keeps the limits (`held` is then
    false too); `limited_by` says, for each pool, what breaks with one machine less.
    """

    policies: tuple[str, ...]
    serve: int
    compute: int
    databases: int
    pools: tuple[tuple[int, int], ...]
    by_type: tuple[int, ...] | None
    held: bool
    limited_by: tuple[Limited, ...]
    use_cpu_share: float | None
    measured: Mapping[str, float | None] | None
    tried: int

    @property
    def machines(self) -> int | None:
        """Return the machines of all types."""
        return None if self.by_type is None else sum(self.by_type)

    @classmethod
    def of(cls, shared: Shared, pools: Pools, found: Found, policies: tuple[Policy, ...]) -> Sized:
        """Return what a search found, and machines for databases, in machines of each type."""
        size, databases = found.size or pools.most, databases_kept(shared, policies)
        holds = found.size is not None and (databases.held or found.fixed)
        taken = pools.taken(size)
        kept = np.concatenate([*taken, databases.machines])
        kind = np.repeat(np.arange(len(shared.fleet)), [k.count for k in shared.fleet])
        by_type = np.bincount(kind[kept], minlength=len(shared.fleet))
        pools_of_type = [np.bincount(kind[rows], minlength=len(shared.fleet)) for rows in taken]
        last = [shared.fleet[kind[rows[-1]]].name if len(rows) else "" for rows in taken]
        return cls(
            policies=tuple(p.kind for p in policies),
            serve=size[0],
            compute=size[1],
            databases=len(databases.machines),
            pools=tuple((int(a), int(b)) for a, b in zip(*pools_of_type, strict=True)),
            by_type=tuple(int(n) for n in by_type) if holds else None,
            held=found.verdict.held and databases.held,
            limited_by=tuple(_limits(found, last, holds=holds)),
            use_cpu_share=found.verdict.use_cpu_share,
            measured=found.verdict.measured if holds else None,
            tried=found.tried,
        )


def _limits(found: Found, last: list[str], *, holds: bool) -> Iterator[Limited]:
    """Yield what limits the machines that serve and compute; `last` of each is of such a type.

    Nothing limits a fleet that is what it is by definition.
    """
    refused = dict(found.refused)
    for pool, name in enumerate(last):
        if holds and name and found.size and not found.fixed:
            less = (found.size[0] - (pool == 0), found.size[1] - (pool == 1))
            verdict = refused.get(less)
            broken = None if verdict is None else verdict.broken
            yield Limited(pool=POOLS[pool], machine_type=name, broken=broken)
    broken = found.verdict.broken
    if broken is not None:
        pool = 0 if broken.is_service or not last[1] else 1
        yield Limited(pool=POOLS[pool], machine_type=last[pool] or last[1 - pool], broken=broken)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sizing:
    """The smallest fleets of a scenario, its baseline, static-peak and sets of switches."""

    scenario: Scenario
    shared: Shared
    limits: Limits
    scenario_size: Sized
    baseline: Sized
    static_peak: Sized
    combinations: dict[str, Sized]
    bound: Fleet
    reserve: Reserve
    findings: tuple[str, ...]

    def bought(self, one: Sized) -> tuple[int, ...] | None:
        """Return the machines of each type with the reserve, None where no fleet holds.

        What goes beyond the fleet is counted with the last type that a reserve is bought of.
        """
        if one.by_type is None:
            return None
        bought, more = [*one.by_type], self.reserve.added(sum(one.by_type))
        types, _ = self._reserve_types(one, one.by_type)
        for i in types:
            room = self.shared.fleet[i].count - bought[i]
            added = more if i == types[-1] else min(more, room)
            bought[i] += added
            more -= added
        return tuple(bought)

    def _reserve_types(self, one: Sized, by_type: tuple[int, ...]) -> tuple[list[int], bool]:
        """Return what a reserve beside one size is bought of, and whether that will do."""
        does = {"serve": one.serve > 0, "compute": one.compute > 0}
        return reserve_types(self.shared.fleet, by_type, **does)

    @property
    def lower_bound(self) -> int | None:
        """Return the bound on the machines of any fleet, with the reserve; none runs nothing."""
        least = self.bound.machines
        least = None if least is None else max(1, least + bound_for_databases(self.shared))
        return None if least is None else least + self.reserve.added(least)

    @property
    def embodied_not_bought_kg(self) -> dict[str, float] | None:
        """Return embodied kgCO2e of machines that the baseline needs and the scenario does not.

        The window's time-linear share, with the low, middle and high factors; never part of a
        run's total, as a machine that is only switched off avoids nothing.
        """
        before, after = self.bought(self.baseline), self.bought(self.scenario_size)
        known = any(kind.embodied_known for kind in self.shared.fleet)
        if before is None or after is None or not known:
            return None
        sums = dict.fromkeys(("low", "mid", "high"), 0.0)
        for kind, a, b in zip(self.shared.fleet, before, after, strict=True):
            share = (a - b) * self.scenario.window_ms / kind.lifetime_ms
            sums["low"] += share * kind.embodied_low_kg
            sums["mid"] += share * kind.embodied_kg
            sums["high"] += share * kind.embodied_high_kg
        return sums

    @property
    def industry(self) -> dict[str, Any] | None:
        """Return X = N (R2 - R1) / R2, as industry quotes it, beside the machines found here.

        N machines of the baseline that serve or compute, without reserve; R1 and R2 the mean CPU
        use of those that are on, before and after, each on its smallest fleet.
        """
        before, after = self.baseline, self.scenario_size
        r1, r2 = before.use_cpu_share, after.use_cpu_share
        if before.machines is None or after.machines is None or r1 is None or not r2:
            return None
        n = before.machines - before.databases
        return {
            "formula": "X = N (R2 - R1) / R2",
            "machines_saved": n * (r2 - r1) / r2,
            "machines_saved_here": n - (after.machines - after.databases),
            "use_before_share": r1,
            "use_after_share": r2,
            "gap": self._gap(),
        }

    def _gap(self) -> str:
        """Return why the formula and the re-runs differ, in words."""
        parts = ["the formula takes the mean hour for every hour, and CPU for all resources"]
        services = self.shared.workload.services
        if services is not None and len(services):
            load = services.load_cpu_m.sum(axis=0)
            if load.mean() > 0:
                ratio = float(load.max() / load.mean())
                parts.append(f"services want {ratio:.2f} times their mean at their peak")
        resources = {
            one.broken.resource for one in self.scenario_size.limited_by if one.broken is not None
        }
        if scarce := sorted(str(r) for r in resources - {"cpu", None}):
            parts.append(f"{' and '.join(scarce)} runs out first")
        apart = [("a reserve", self.reserve.added(self.scenario_size.machines or 0))]
        apart.append(("machines for databases", self.baseline.databases))
        if names := [name for name, machines in apart if machines]:
            verb = "is" if names == ["a reserve"] else "are"
            parts.append(f"{' and '.join(names)} {verb} in neither")
        return "; ".join(parts)

    @property
    def summary(self) -> dict[str, Any]:
        """Return what `summary.json` keeps of it."""
        return {
            "lower_bound": self.lower_bound,
            "reserve_machines": self.reserve.added(self.scenario_size.machines or 0),
            "limited_by": self._limited(self.scenario_size),
            "captured_share": self.captured_share,
            "embodied_not_bought_kg": self.embodied_not_bought_kg,
        }

    @property
    def captured_share(self) -> float | None:
        """Return what the scenario saves over what the bound leaves to save."""
        before, after = self.machines(self.baseline), self.machines(self.scenario_size)
        return captured(before, after, self.lower_bound)

    @property
    def needed(self) -> dict[str, int | None]:
        """Return the machines that each of the three runs of a result needs."""
        return {
            "baseline": self.machines(self.baseline),
            "static_peak": self.machines(self.static_peak),
            "scenario": self.machines(self.scenario_size),
        }

    def machines(self, one: Sized) -> int | None:
        """Return the machines to buy for one set of switches, reserve included."""
        bought = self.bought(one)
        return None if bought is None else sum(bought)

    @property
    def document(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        before, after = self.machines(self.baseline), self.machines(self.scenario_size)
        labels = [series.labels.synthetic for series in self.shared.intensity.values()]
        made = self.shared.workload.synthetic or any(labels)
        return {
            "schema": SCHEMA,
            "name": self.scenario.name,
            "scenario_sha256": self.scenario.hash,
            "seed": self.scenario.seed,
            "version": greensched.__version__,
            "stamp": {
                "data": "synthetic" if made else "measured",
                "result": self.shared.kind_of_result,
                "calibration": stamp_of(self.scenario.spec),
            },
            "fleet_machines": self.shared.machines,
            "limits": self._limits(),
            "reserve": {
                "machines": self.reserve.machines,
                "share": self.reserve.share,
                "added": self.reserve.added(self.scenario_size.machines or 0),
                "out_at_once": out_at_once(self.shared),
            },
            "machines": after,
            "baseline_kind": self.scenario.baseline.kind,
            "baseline_machines": before,
            "static_peak_machines": self.machines(self.static_peak),
            "lower_bound": self.lower_bound,
            "captured_share": self.captured_share,
            "limited_by": self._limited(self.scenario_size),
            "by_type": self._by_type(),
            "runs": [self._run(name, one) for name, one in self._runs().items()],
            "embodied_not_bought_kg": self.embodied_not_bought_kg,
            "industry": self.industry,
            "certificate": self.bound.certificate,
            "findings": [*self.findings, *self._reserve_findings()],
        }

    def _reserve_findings(self) -> Iterator[str]:
        """Yield what a reserve cannot do, where there is one."""
        one = self.scenario_size
        bought = self.bought(one)
        if bought is None or one.by_type is None or not self.reserve.added(sum(one.by_type)):
            return
        types, whole = self._reserve_types(one, one.by_type)
        yield from unmet(self.shared.fleet, one.by_type, bought, None if whole else types[0])

    def _limits(self) -> dict[str, Any]:
        """Return the limits that every re-run kept."""
        given = self.limits
        wait_ms = given.wait_p95_ms
        return {
            "latency_factor_p99": given.latency_factor,
            "shortage_share": given.shortage_share,
            "deadline_miss_share": given.deadline_miss,
            "wait_p95_s": None if wait_ms is None else wait_ms / MS_PER_S,
            "end_s": given.end_ms / MS_PER_S,
        }

    def _runs(self) -> dict[str, Sized]:
        """Return all sizes by name, the smallest set of switches first."""
        return {
            "baseline": self.baseline,
            "static_peak": self.static_peak,
            **self.combinations,
            "scenario": self.scenario_size,
        }

    def _run(self, name: str, one: Sized) -> dict[str, Any]:
        """Return one size as plain values."""
        return {
            "name": name,
            "policies": list(one.policies),
            "machines": self.machines(one),
            "serve": one.serve,
            "compute": one.compute,
            "databases": one.databases,
            "held": one.held,
            "limited_by": self._limited(one),
            "use_cpu_share": one.use_cpu_share,
            "measured": None if one.measured is None else dict(one.measured),
            "tried": one.tried,
        }

    def _limited(self, one: Sized) -> list[dict[str, Any]]:
        """Return what limits a size; where no run was needed it is the lower bound."""
        limits = [
            {
                "pool": limit.pool,
                "machine_type": limit.machine_type,
                **(
                    limited_by_bound(self.shared, self.limits, one.serve + one.compute)
                    if limit.broken is None
                    else limit.broken.document(self.shared)
                ),
            }
            for limit in one.limited_by
        ]
        if one.databases:
            kind = next(k.name for k in self.shared.fleet if k.role == "database")
            text = RESERVES if one.held or one.limited_by else NO_ROOM
            about = {"pool": POOLS[-1], "machine_type": kind, "objective": "reserves"}
            limits.append({**NOBODY, **about, "text": text})
        return limits

    def _least(self, i: int) -> int:
        """Return the bound on one machine type; the databases' where no other type has any."""
        holding = [k for k in self.shared.fleet if k.role == "database"]
        if self.shared.fleet[i].role != "database":
            return self.bound.by_type[i]
        return bound_for_databases(self.shared) if len(holding) == 1 else 0

    def _by_type(self) -> list[dict[str, Any]]:
        """Return the sizes by machine type."""
        limited = self._limited(self.scenario_size)
        columns = [self.bought(s) for s in (self.scenario_size, self.baseline, self.static_peak)]
        return [
            {
                "machine_type": kind.name,
                "fleet_machines": kind.count,
                "machines": None if columns[0] is None else columns[0][i],
                "serve": None if columns[0] is None else self.scenario_size.pools[i][0],
                "compute": None if columns[0] is None else self.scenario_size.pools[i][1],
                "baseline_machines": None if columns[1] is None else columns[1][i],
                "static_peak_machines": None if columns[2] is None else columns[2][i],
                "lower_bound": self._least(i),
                "limited_by": [limit for limit in limited if limit["machine_type"] == kind.name],
            }
            for i, kind in enumerate(self.shared.fleet)
        ]


def captured(before: int | None, after: int | None, bound: int | None) -> float | None:
    """Return (baseline - scenario) / (baseline - bound); None where there was nothing to save."""
    if before is None or after is None or bound is None or before <= bound:
        return None
    return (before - after) / (before - bound)
