"""A scenario's world as the engine takes it: fleet, sites, policies, intensity, breakpoints."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from greensched.errors import Finding, ScenarioError, together
from greensched.scenario import convert
from greensched.scenario.fleetspec import FleetFile, MachineSpec, TypedMachine
from greensched.scenario.paths import resolved
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from greensched.carbon import CarbonIntensity
    from greensched.model import IntArray, MachineType, Policy, Site, Trace
    from greensched.scenario.loading import Scenario
    from greensched.scenario.spec import SiteSpec

GRID_MS: Final = 5 * MS_PER_MIN  # usage is kept in intervals of at most this length


def sites(scenario: Scenario) -> tuple[Site, ...]:
    """Return the sites that have machines, in the file's order."""
    return convert.sites(scenario.spec)


def policies(scenario: Scenario) -> tuple[Policy, ...]:
    """Return the switches that are on, in the file's order."""
    return scenario.policies


def fleet_types(scenario: Scenario) -> tuple[MachineType, ...]:
    """Return the machine types, in the file's order; machines of a trace are read here.

    Raises ScenarioError where two types have one name, DataError for a trace that is not good.
    """
    types: list[MachineType] = []
    for i, entry in enumerate(scenario.spec.fleet):
        if isinstance(entry, MachineSpec):
            types.append(convert.machine_type(entry))
        elif isinstance(entry, TypedMachine):
            types.append(convert.typed_machine(entry))
        else:
            types += _from_file(scenario, entry, scenario.source.where(("fleet", i)))
    names = [t.name for t in types]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        where = scenario.source.where(("fleet",))
        raise ScenarioError(
            *(Finding(where=where, what=f"machine type '{n}' is there twice") for n in twice)
        )
    if wrong := list(_wrong_pools(scenario, {kind.name: kind for kind in types})):
        raise ScenarioError(*wrong)
    return tuple(types)


def _wrong_pools(scenario: Scenario, types: Mapping[str, MachineType]) -> Iterator[Finding]:
    """Yield what `pools` asks of machines that are not there, or that do something else."""
    for name, pool in (scenario.spec.pools or {}).items():
        where, kind = scenario.source.where(("pools", name)), types.get(name)
        if kind is None:
            remedy = f"there are {', '.join(types)}"
            yield Finding(where=where, what=f"no machine type '{name}'", remedy=remedy)
            continue
        if pool.serve + pool.compute > kind.count:
            what = f"{pool.serve} + {pool.compute} machines of {kind.count}"
            yield Finding(where=where, what=what, remedy="ask for at most as many as there are")
        never = {"batch": pool.serve, "online": pool.compute}.get(kind.role, 0)
        if never or (kind.role == "database" and pool.serve + pool.compute):
            what = f"machines of role '{kind.role}' do something else"
            yield Finding(where=where, what=what, remedy="role: any lets them serve and compute")


def fleet_checksums(scenario: Scenario) -> tuple[tuple[str, str], ...]:
    """Return the files that machines are read from, as written, with their checksums."""
    return tuple(
        (entry.source, _listed(scenario, entry, scenario.source.where(("fleet", i))).checksum)
        for i, entry in enumerate(scenario.spec.fleet)
        if isinstance(entry, FleetFile)
    )


def _from_file(scenario: Scenario, entry: FleetFile, where: str) -> tuple[MachineType, ...]:
    """Return the machine types of a trace's machines."""
    trace = _listed(scenario, entry, where)
    if trace.machines is None or not len(trace.machines):
        what = f"'{entry.source}' has no machines"
        raise ScenarioError(Finding(where=f"{where}.from", what=what))
    return convert.machine_types(entry, trace.machines, where)


def _listed(scenario: Scenario, entry: FleetFile, where: str) -> Trace:
    """Return the trace that lists machines; of the demand's file with the same options."""
    from greensched.readers.options import ReadOptions
    from greensched.scenario.workload import imported, options_for

    path = resolved(scenario, entry.source, f"{where}.from")
    options = options_for(scenario, entry.source) or ReadOptions()
    return imported([path], entry.reader or "canonical", options)


def intensities(scenario: Scenario) -> dict[str, CarbonIntensity]:
    """Return the carbon intensity of each site that has machines, by the site's name.

    Raises ScenarioError and DataError with the findings of all sites together.
    """
    used = {s.name for s in sites(scenario)}
    known = [(i, site) for i, site in enumerate(scenario.spec.sites) if site.name in used]
    found = together(partial(_covering, scenario, site, i) for i, site in known)
    return {site.name: series for (_, site), series in zip(known, found, strict=True)}


def _covering(scenario: Scenario, site: SiteSpec, index: int) -> CarbonIntensity:
    """Return one site's carbon intensity, which covers the window."""
    series = _intensity(scenario, site, index)
    series.window(scenario.start_utc_ms, scenario.window_ms)
    return series


def _intensity(scenario: Scenario, site: SiteSpec, index: int) -> CarbonIntensity:
    """Return one site's carbon intensity."""
    from greensched.carbon import Fill, Labels
    from greensched.providers.constant import constant
    from greensched.providers.files import read

    source = convert.intensity_source(site)
    if isinstance(source, float):
        return constant(site.zone, source)
    path = resolved(scenario, source.source, scenario.source.where(("sites", index, "intensity")))
    fill = Fill(kind=source.fill, longest_ms=source.fill_longest) if source.fill else None
    labels = Labels(basis=source.basis, synthetic=source.source.startswith("bundled:"))
    return read(
        path, source.zone or site.zone, time_zone=source.time_zone, fill=fill, labels=labels
    )


def edges(scenario: Scenario, series: Sequence[CarbonIntensity] | None = None) -> IntArray:
    """Return the breakpoints of the window [ms since its start], 0 and its end included.

    The union of every change of intensity at a site and a grid of five minutes; PUE is constant
    in time (its fixed part and slope do not change), so it adds none.
    """
    start_ms, window_ms = scenario.start_utc_ms, scenario.window_ms
    grid = np.append(np.arange(0, window_ms, GRID_MS), window_ms).astype(np.int64)
    known = intensities(scenario).values() if series is None else series
    changes = [one.window(start_ms, window_ms)[0] for one in known]
    return np.unique(np.concatenate([grid, *changes]))
