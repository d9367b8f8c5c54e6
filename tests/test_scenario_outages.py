"""Failures and maintenance of a scenario: what is drawn, read and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.errors import DataError, ScenarioError
from greensched.scenario import Scenario, fleet_types, loads
from greensched.scenario.outages import Planned, outages_of, planned
from greensched.scenario.outagespec import FailureLaw
from greensched.units import MS_PER_DAY, MS_PER_H

if TYPE_CHECKING:
    from pathlib import Path

H, DAY = MS_PER_H, MS_PER_DAY
TEXT = """\
apiVersion: greensched/v1
kind: Scenario
name: small
window: {start: 2024-01-01T00:00+01:00, days: 10}
seed: 3
sites:
  - {name: a, zone: Z, pue: 1.2, intensity: 500 g/kWh}
  - {name: b, zone: Z, pue: 1.2, intensity: 500 g/kWh}
fleet:
  - {name: x, site: a, count: 3, cores: 16, memory: 64 GiB, power: {idle: 100 W, peak: 300 W}}
  - {name: y, site: b, count: 2, cores: 16, memory: 64 GiB, power: {idle: 100 W, peak: 300 W}}
traces: {jobs: jobs.csv}
"""


def scenario(more: str, folder: Path | None = None) -> Scenario:
    """Return the small scenario with more lines."""
    return loads(TEXT + more, folder=folder)


def plan(more: str, folder: Path | None = None, last_ms: int = 10 * DAY) -> Planned:
    """Return its outages."""
    told = scenario(more, folder)
    found = planned(told, fleet_types(told), last_ms)
    assert found is not None
    return found


def rows(found: Planned) -> list[tuple[int, ...]]:
    """Return outages as tuples (machine, leave, from, until) in hours."""
    out = found.outages
    columns = (out.machine, out.leave_ms / H, out.from_ms / H, out.until_ms / H)
    return list(zip(*(c.tolist() for c in columns), strict=True))


def law(mtbf_ms: int, mttr_ms: int, shape: float | None = None) -> FailureLaw:
    """Return a law of failures."""
    if shape is None:
        return FailureLaw.model_construct(mtbf=mtbf_ms, mttr=mttr_ms)
    return FailureLaw.model_construct(
        mtbf=mtbf_ms, mttr=mttr_ms, distribution="weibull", shape=shape
    )


def test_nothing_fails_unless_it_is_said() -> None:
    """Without either section, or with failures off, there are no outages and the same hash."""
    bare = scenario("")
    off = scenario("failures: {enabled: false, machines: {mtbf: 1 d, mttr: 1 h}}\n")
    on = scenario("failures: {machines: {mtbf: 1 d, mttr: 1 h}}\n")
    assert planned(bare, fleet_types(bare), DAY) is None
    assert planned(off, fleet_types(off), DAY) is None
    assert bare.hash == off.hash
    assert bare.hash != on.hash


def test_maintenance_of_a_site_and_of_a_type() -> None:
    """All machines of the place leave by the notice; times count from the window's start."""
    found = plan(
        "maintenance:\n"
        "  - {site: a, from: 2024-01-01T05:00+01:00, until: 2024-01-01T05:00Z, notice: 2 h}\n"
        "  - {fleet: y, from: 2024-01-02T00:00+01:00, until: 2024-01-02T01:00+01:00}\n"
    )
    assert () == found.findings
    expected = [(m, 3.0, 5.0, 6.0) for m in (0, 1, 2)] + [(m, 23.5, 24.0, 25.0) for m in (3, 4)]
    assert expected == rows(found)
    assert not found.synthetic


def test_maintenance_that_never_comes_is_told() -> None:
    """What ends before the window or begins after the runs takes nothing out, or perhaps none."""
    found = plan(
        "maintenance:\n"
        "  - {site: a, from: 2023-12-30T05:00Z, until: 2023-12-31T23:00Z}\n"
        "  - {fleet: y, from: 2024-01-11T00:00+01:00, until: 2024-01-12T00:00+01:00}\n"
        "  - {fleet: x, from: 2024-01-10T23:00+01:00, until: 2024-01-12T00:00+01:00}\n"
    )
    assert [0, 1, 2] == [row[0] for row in rows(found)]
    assert [
        (
            "the maintenance of 'a' from 2023-12-30T05:00:00+00:00 is not within the time of the "
            "runs: it takes nothing out of service"
        ),
        (
            "the maintenance of 'y' from 2024-01-11T00:00:00+01:00 is not within the time of the "
            "runs: it takes nothing out of service"
        ),
    ] == list(found.findings)
    (told,) = plan(
        "maintenance:\n  - {fleet: y, from: 2024-01-11T00:00+01:00, until: 2024-01-12T00:00Z}\n",
        last_ms=12 * DAY,
    ).findings
    assert told.endswith(
        "begins after the window: it takes machines out of service only if jobs still run then"
    )


def test_a_trace_names_machines_types_and_sites(tmp_path: Path) -> None:
    """Rows of one machine that meet are one outage; what lies outside the run is left out."""
    lines = [
        "site,machine_type,machine,from_h,until_h",
        ",x,2,1,2", ",x,2,2,3", "b,,,-5,4", "b,,,-9,-8", ",y,1,300,",
    ]  # fmt: skip
    (tmp_path / "f.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = plan("failures: {trace: f.csv}\n", tmp_path)
    assert [(1, 1.0, 1.0, 3.0), (3, 0.0, 0.0, 4.0), (4, 0.0, 0.0, 4.0)] == rows(found)
    assert ["f.csv"] == [source for source, _ in found.checksums]
    assert ("f.csv: 5 outages recorded, 3 of them within the time of the runs",) == found.findings
    (tmp_path / "f.csv").write_text("\n".join(lines[:2]) + "\n", encoding="utf-8")
    assert ("f.csv: 1 outage recorded",) == plan("failures: {trace: f.csv}\n", tmp_path).findings


def test_a_trace_of_other_machines_is_refused(tmp_path: Path) -> None:
    """Every row that names what is not there is told, with the nearest that is."""
    lines = ["site,machine_type,machine,from_h,until_h", "aa,,,1,2", ",xx,,1,2", ",x,4,1,2"]
    (tmp_path / "f.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as refused:
        plan("failures: {trace: f.csv}\n", tmp_path)
    assert 3 == len(refused.value.findings)
    assert "did you mean 'x'?" in str(refused.value)
    assert "machine 4 of 'x', which has 3" in str(refused.value)


@pytest.mark.parametrize("shape", [None, 0.7, 1.5])
def test_drawn_failures_have_the_means_that_were_asked_for(shape: float | None) -> None:
    """Of many machines over a year the share out and the failures are those of the law."""
    given = law(20 * DAY, 2 * DAY, shape)
    last_ms, machines = 365 * DAY, 3_000
    found = [outages_of(given, last_ms, (7, m)) for m in range(machines)]
    count = sum(a > 0 for own in found for a, _ in own)
    out_ms = sum(min(b, last_ms) - a for own in found for a, b in own)
    assert 2 / 22 == pytest.approx(out_ms / (last_ms * machines), rel=0.02)
    assert 365 / 22 == pytest.approx(count / machines, rel=0.02)
    begin = [own for own in found if own and own[0][0] == 0]
    assert 2 / 22 == pytest.approx(len(begin) / machines, abs=0.02)
    # the process has long run: as many fail in the first ten days as in any other
    early = sum(0 < a < 10 * DAY for own in found for a, _ in own)
    assert 10 / 22 == pytest.approx(early / machines, rel=0.08)


def test_outages_of_one_machine_are_apart() -> None:
    """Drawn outages rise, and none is empty."""
    found = outages_of(law(H, H), 30 * DAY, (1, 2))
    times = np.array(found).ravel()
    assert len(found) > 100
    assert (np.diff(times) >= 0).all()
    assert all(a < b for a, b in found)


def test_a_larger_fleet_has_the_failures_of_the_smaller() -> None:
    """Machines added change no failure of those that were there; another seed changes all."""
    text = "failures: {machines: {mtbf: 3 d, mttr: 5 h}}\n"
    small, told = plan(text), scenario(text)
    larger = told.overridden({"fleet.x.count": 6})
    big = planned(larger, fleet_types(larger), 10 * DAY)
    assert big is not None
    own = [row for row in rows(small) if row[0] < 3]
    assert own == [row for row in rows(big) if row[0] < 3]
    assert len(own) > 0
    other = told.overridden({"seed": 4})
    again = planned(other, fleet_types(other), 10 * DAY)
    assert again is not None
    assert rows(small) != rows(again)


def test_a_site_fails_as_a_whole() -> None:
    """By a law of sites all machines of a site are out at the same times."""
    found = plan("failures: {sites: {mtbf: 2 d, mttr: 5 h}}\n")
    times = {m: [row[1:] for row in rows(found) if row[0] == m] for m in range(5)}
    assert times[0] == times[1] == times[2]
    assert times[3] == times[4]
    assert times[0] != times[3]
    assert found.synthetic


def test_too_many_failures_are_refused() -> None:
    """A law that would fill memory with outages is refused before any is drawn."""
    with pytest.raises(ScenarioError, match="raise 'mtbf'"):
        plan("failures: {machines: {mtbf: 1 ms, mttr: 1 ms}}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("failures: {}", "nothing fails"),
        ("failures: {machines: {mtbf: 1 d}}", "mttr"),
        ("failures: {machines: {mtbf: 0 s, mttr: 1 h}}", "mtbf"),
        ("failures: {machines: {mtbf: 1 d, mttr: 1 h, shape: 2}}", "'shape' is of weibull"),
        ("failures: {machines: {mtbf: 1 d, mttr: 1 h, law: x}}", "law"),
        ("maintenance: [{from: 2024-01-01T05:00Z, until: 2024-01-01T06:00Z}]", "either a 'site'"),
        (
            "maintenance: [{site: a, from: 2024-01-01T05:00Z, until: 2024-01-01T05:00Z}]",
            "is not after 'from'",
        ),
        (
            "maintenance: [{site: c, from: 2024-01-01T05:00Z, until: 2024-01-01T06:00Z}]",
            "unknown site 'c'",
        ),
        (
            "maintenance: [{fleet: xx, from: 2024-01-01T05:00Z, until: 2024-01-01T06:00Z}]",
            "unknown machine type 'xx'; did you mean 'x'",
        ),
        ("maintenance: [{site: a, from: 2024-01-01T05:00, until: 2024-01-02T05:00Z}]", "offset"),
    ],
)
def test_what_cannot_be_is_told(text: str, told: str) -> None:
    """A section that cannot be is refused with its line and why."""
    with pytest.raises(ScenarioError, match=told) as refused:
        scenario(text + "\n")
    assert "scenario.yaml:13:" in str(refused.value)
