"""The parts that all runs of a scenario share: demand, fleet, grid, factors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.accounting import Factors, SiteFactors, machine_factors, site_factors
from greensched.errors import ScenarioError, plural, together
from greensched.experiment.carbon_forecast import CarbonForecast, carbon_forecast_of
from greensched.experiment.forecasts import forecast_of
from greensched.experiment.named import check_names
from greensched.experiment.not_counted import not_counted
from greensched.model import Policy, Setting
from greensched.scenario import build_workload, fleet_types, intensities, sites
from greensched.scenario.convert import intensity_source
from greensched.scenario.cut import take_jobs
from greensched.scenario.fits import check_sizes, fitting_together, for_jobs, jobs_fitting
from greensched.scenario.outages import planned
from greensched.scenario.prices import Priced, priced
from greensched.scenario.world import fleet_checksums
from greensched.units import MS_PER_DAY, MS_PER_MIN

if TYPE_CHECKING:
    from greensched.carbon import CarbonIntensity
    from greensched.forecast import Forecast
    from greensched.model import Int8Array, IntArray, MachineType, Outages, Site
    from greensched.scenario import Scenario, Workload

GRID_MS: Final = 5 * MS_PER_MIN
DRAIN_WINDOWS: Final = 4  # usage may go on for so many windows, and a day, after the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What is equal in every run of one scenario."""

    scenario: Scenario
    workload: Workload
    sites: tuple[Site, ...]
    fleet: tuple[MachineType, ...]
    intensity: dict[str, CarbonIntensity]
    edges_ms: IntArray
    forecast: Forecast | None = None  # of the services; None: no policy uses one
    outages: Outages | None = None  # of the fleet's machines, as they will come
    carbon: CarbonForecast | None = None  # None: no policy uses one
    prices: Priced = field(default_factory=Priced)

    @property
    def machines(self) -> int:
        """Return the number of machines."""
        return sum(kind.count for kind in self.fleet)

    @property
    def kind_of_result(self) -> str:
        """Return `modelled`, and whether energy is a share of servers that are not one's own."""
        is_allocated = any(kind.is_released and kind.count for kind in self.fleet)
        return "modelled, energy allocated" if is_allocated else "modelled"

    @property
    def checksums(self) -> dict[str, str]:
        """Return the checksums of the files that were read, by what the scenario calls them."""
        grid = {}
        for site in self.scenario.spec.sites:
            source = intensity_source(site)
            if site.name in self.intensity and not isinstance(source, float):
                grid[source.source] = self.intensity[site.name].labels.checksum
        return dict(self.workload.checksums) | grid

    def setting(
        self,
        name: str,
        *,
        policies: tuple[Policy, ...] = (),
        roles: Int8Array | None = None,
        replicas: IntArray | None = None,
        places: IntArray | None = None,
    ) -> Setting:
        """Return the setting of one run; databases are in it where they have `places`."""
        scenario = self.scenario
        return Setting(
            name=name,
            sites=self.sites,
            fleet=self.fleet,
            services=self.workload.services,
            jobs=self.workload.jobs,
            window_ms=scenario.window_ms,
            edges_ms=self.edges_ms,
            policies=policies,
            replicas=replicas,
            roles=roles,
            discipline=scenario.queue.discipline,
            weigher=scenario.queue.weigher,
            end=scenario.spec.end,
            start_offset_ms=scenario.start_offset_ms,
            seed=scenario.seed,
            forecast=self.forecast,
            databases=None if places is None else self.workload.databases,
            past_databases=None if places is None else self.workload.history_databases,
            places=places,
            interference=scenario.spec.interference.value,
            outages=self.outages,
            carbon=self.carbon,
        )

    def factors(self, end_ms: int) -> Factors:
        """Return the factors of the account until `end_ms`."""
        prices = self.prices
        return Factors(
            sites=tuple(self._site(site, end_ms) for site in self.sites),
            machine_types=tuple(machine_factors(k, prices.machine_h(k.name)) for k in self.fleet),
            currency=prices.currency,
        )

    def _site(self, site: Site, end_ms: int) -> SiteFactors:
        """Return a site's factors; the last intensity is held beyond the series, flagged."""
        series, start_ms = self.intensity[site.name], self.scenario.start_utc_ms
        last_ms = int(series.edges_ms[-1]) - start_ms
        steps = self.prices.steps
        known = replace(
            site_factors(site, series, start_ms, min(end_ms, last_ms), self.prices.per_kwh),
            price_steps=None if steps is None else steps.until(end_ms),
        )
        if last_ms >= end_ms:
            return known
        filled = known.filled
        if len(filled) == 0:
            filled = np.zeros(len(known.intensity_g_per_kwh), np.bool_)
        return replace(
            known,
            edges_ms=np.append(known.edges_ms, end_ms),
            intensity_g_per_kwh=np.append(
                known.intensity_g_per_kwh, known.intensity_g_per_kwh[-1]
            ),
            filled=np.append(filled, np.True_),
        )


def shared(scenario: Scenario, *, forecasts: bool = True, checked: bool = True) -> Shared:
    """Return the demand, fleet and grid of a scenario; every finding about sizes at once.

    Without `forecasts` there are none for policies to see: who runs none does not wait for them.
    Not `checked` is for who asks what was read: what fits no machine is no error then.
    """
    parts = (fleet_types, build_workload, intensities, priced)
    fleet, workload, used, prices = together(partial(part, scenario) for part in parts)
    workload = _that_fit(scenario, workload, fleet)
    findings = (*check_sizes(workload, fleet, scenario.policies), *check_names(scenario, workload))
    if findings and checked:
        raise ScenarioError(*findings)
    workload = _with_prices(workload, prices)
    workload = _with_fleet(scenario, workload, fleet)
    outages, workload = _outages(scenario, fleet, workload)
    world = Shared(
        scenario=scenario,
        workload=workload,
        outages=outages,
        sites=sites(scenario),
        fleet=fleet,
        intensity=used,
        edges_ms=_grid(scenario, used, prices),
        prices=prices,
    )
    if not forecasts:
        return world
    return replace(
        world,
        forecast=forecast_of(scenario, workload, _last_ms(scenario)),
        carbon=carbon_forecast_of(scenario, used, fleet),
    )


def _with_prices(workload: Workload, prices: Priced) -> Workload:
    """Return the workload with what is to be known of the files of prices."""
    return replace(
        workload,
        checksums=(*workload.checksums, *prices.checksums),
        findings=(*workload.findings, *prices.findings),
    )


def _with_fleet(
    scenario: Scenario, workload: Workload, fleet: tuple[MachineType, ...]
) -> Workload:
    """Return the workload with what is to be known of the fleet and its files."""
    return replace(
        workload,
        checksums=(*workload.checksums, *fleet_checksums(scenario)),
        findings=(*workload.findings, *not_counted(fleet)),
    )


def _outages(
    scenario: Scenario, fleet: tuple[MachineType, ...], workload: Workload
) -> tuple[Outages | None, Workload]:
    """Return the outages of the fleet, and the workload with what is to be known of them."""
    found = planned(scenario, fleet, _last_ms(scenario))
    if found is None:
        return None, workload
    return found.outages, replace(
        workload,
        synthetic=workload.synthetic or found.synthetic,
        checksums=(*workload.checksums, *found.checksums),
        findings=(*workload.findings, *found.findings),
    )


def _that_fit(scenario: Scenario, workload: Workload, fleet: tuple[MachineType, ...]) -> Workload:
    """Return the workload without jobs larger than every machine, where bad rows are dropped."""
    given, jobs = scenario.spec.traces.jobs, workload.jobs
    if jobs is None or given is None or isinstance(given, str):
        return workload
    if given.options.get("on_bad") != "drop":
        return workload
    computing = for_jobs(fleet, scenario.policies)
    fits = jobs_fitting(computing, jobs)
    keep = fits & fitting_together(computing, jobs)
    findings = tuple(
        f"{plural(int(left.sum()), 'job')} {why}, dropped"
        for left, why in (
            (~fits, "larger than every machine"),
            (fits & ~keep, "with more tasks than all machines together take at once"),
        )
        if left.any()
    )
    if not findings:
        return workload
    kept = take_jobs(jobs, keep)
    return replace(workload, jobs=kept, findings=(*workload.findings, *findings))


def _last_ms(scenario: Scenario) -> int:
    """Return the end [ms] beyond which no run goes."""
    if scenario.spec.end == "drain":
        return scenario.window_ms * (1 + DRAIN_WINDOWS) + MS_PER_DAY
    return scenario.window_ms


def _grid(scenario: Scenario, series: dict[str, CarbonIntensity], prices: Priced) -> IntArray:
    """Return breakpoints [ms]: a grid of five minutes, changes of intensity and price, the end.

    It reaches beyond the window, as far as a drain may go.
    """
    window_ms, start_ms = scenario.window_ms, scenario.start_utc_ms
    until_ms = _last_ms(scenario)
    grid = np.append(np.arange(0, until_ms, GRID_MS), (window_ms, until_ms))
    steps = [one.edges_ms - start_ms for one in series.values()]
    steps += [] if prices.steps is None else [prices.steps.edges_ms]
    changes = [edges[(edges > 0) & (edges < until_ms)] for edges in steps]
    return np.unique(np.concatenate([grid, *changes])).astype(np.int64)
