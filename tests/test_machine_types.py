"""Machine types by name: the table, how a fleet names them, what a release costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from greensched.accounting import Factors, Group, Usage, account, machine_factors, total
from greensched.errors import ScenarioError
from greensched.power import Piecewise
from greensched.report.tables import read_parquet
from greensched.scenario import fleet_types, loads
from greensched.scenario.machines import known_type, sources
from tests.readers.builders import refusal
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
apiVersion: greensched/v1
kind: Scenario
name: typed
window: {start: 2023-03-06T00:00Z, days: 1}
sites: [{name: here, zone: DE, pue: 1.2, intensity: 300 g/kWh}]
fleet: [{name: web, site: here, count: 3, %s}]
traces: {services: bundled:online-week}
"""


def of(entry: str) -> Any:
    """Return the machine type of a fleet's entry."""
    (kind,) = fleet_types(loads(TEXT % entry))
    return kind


def test_a_type_gives_size_watts_and_embodied() -> None:
    """m6i.4xlarge is 16 of 128 vCPUs of an Ice Lake server of 1.4 t, as its source says."""
    kind = of("type: m6i.4xlarge")
    assert (16_000, 64 * 1024, 3, True) == (
        kind.cpu_m, kind.memory_mib, kind.count, kind.is_released,
    )  # fmt: skip
    assert 16 * 0.7668 == pytest.approx(kind.power.watts(0.0), rel=1e-4)
    assert 16 * 3.7582 == pytest.approx(kind.power.watts(1.0), rel=1e-4)
    assert (1_400 / 8, 1_000 / 8, 4_300 / 8) == (
        kind.embodied_kg, kind.embodied_low_kg, kind.embodied_high_kg,
    )  # fmt: skip
    assert "ccf-aws-2026:m6i.4xlarge" == kind.embodied_source


def test_a_released_machine_draws_nothing_and_boots_anew() -> None:
    """Off and asleep a cloud's machine draws nothing, and it takes a boot to come back."""
    kind = of("type: n2-standard-8, boot: {time: 90 s}")
    assert (0.0, 0.0, 90_000, 90_000) == (kind.off_w, kind.sleep_w, kind.boot_ms, kind.wake_ms)


def test_an_archetype_is_switched_off() -> None:
    """A server of an age is one's own: the medians of SPECpower, with its power while off."""
    kind = of("type: server-2022, off: {power: 7 W}")
    assert (64_000, 256 * 1024, False, 7.0) == (
        kind.cpu_m, kind.memory_mib, kind.is_released, kind.off_w,
    )  # fmt: skip
    assert (91.2, 229.7, 412.0) == tuple(kind.power.watts(u) for u in (0.0, 0.5, 1.0))


def test_what_is_given_beats_the_table() -> None:
    """Power and embodied emissions that were measured replace the published ones."""
    entry = "type: m6i.large, power: {idle: 3 W, peak: 9 W}, embodied: {kgco2e: 5, range: [4, 6]}"
    kind = of(entry)
    assert (3.0, 9.0, 5.0) == (kind.power.watts(0.0), kind.power.watts(1.0), kind.embodied_kg)
    assert not kind.embodied_source


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("type: m6i.4xlagre", "unknown machine type 'm6i.4xlagre'; did you mean 'm6i.4xlarge'?"),
        ("type: n3-standard-8", "did you mean 'n2-standard-8'?"),
        ("type: dell", "the nearest name of 469 is '"),
        ("type: M6I.4XLARGE", "did you mean 'm6i.4xlarge'?"),
        ("type: m6i.large, off: {power: 3 W}", "m6i.large is released instead; leave it out"),
        ("type: m6i.large, cores: 4", "unknown key"),
    ],
)
def test_types_that_cannot_be(entry: str, said: str) -> None:
    """An unknown type is an error that names the nearest, and nothing is assumed in its place."""
    assert said in refusal(lambda: of(entry), ScenarioError)


def test_every_row_has_a_source_with_a_licence() -> None:
    """Each type names a source that is told with its licence; its watts rise with load."""
    for name in ("m6i.4xlarge", "n2d-standard-224", "Standard_D8s_v4", "server-2009"):
        known = known_type(name)
        assert known is not None
        text, licence = sources()[known.source]
        assert text
        assert licence
        assert list(known.watts) == sorted(known.watts)
        assert known.embodied_kg[0] <= known.embodied_kg[1] <= known.embodied_kg[2]


def test_embodied_emissions_while_held_only() -> None:
    """What is released emits nothing of its making; the same machine of one's own does."""
    roles: tuple[Any, ...] = ("online", "booting", "off", "sleeping", "surplus")
    usage = Usage(
        edges_ms=np.array([0, 3_600_000], np.int64),
        groups=tuple(Group(site="here", machine_type="web", role=r) for r in roles),
        energy_j=np.zeros((1, 5)),
        machine_ms=np.full((1, 5), 3_600_000, np.int64),
    )
    held = {}
    for word in ("m6i.4xlarge", "server-2022"):
        kind = of(f"type: {word}, embodied: {{kgco2e: 8760, range: [8760, 8760], lifetime: 1 y}}")
        entries = account(usage, Factors(sites=_sites(), machine_types=(machine_factors(kind),)))
        held[word] = total(entries).embodied_mg
    assert {"m6i.4xlarge": 2_000_000, "server-2022": 5_000_000} == held


def _sites() -> Any:
    """Return the factors of one site without PUE or intensity to speak of."""
    from greensched.accounting import SiteFactors, constant_pue

    return (
        SiteFactors(
            site="here",
            edges_ms=np.array([0, 3_600_000], np.int64),
            intensity_g_per_kwh=np.array([1.0]),
            pue=constant_pue(1.0),
        ),
    )


def test_power_is_the_published_curve() -> None:
    """A type's power model is piecewise through its eleven points."""
    assert isinstance(of("type: server-2018").power, Piecewise)


def test_a_result_of_released_machines_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamp says that energy is allocated, and such a result satisfies its schema."""
    monkeypatch.chdir(tmp_path)
    rows = ("job,submit_s,duration_s,cpu_m", "a,0,600,2000", "b,900,600,1000")
    (tmp_path / "jobs.csv").write_text("\n".join(rows) + "\n")
    text = TEXT % "type: m6i.4xlarge"
    text = text.replace("services: bundled:online-week", "jobs: jobs.csv")
    (tmp_path / "typed.yaml").write_text(text.replace("days: 1", "hours: 2"))
    told = call("run", "typed.yaml", "--out", "r")
    assert 0 == told.exit_code, told.stderr
    assert "modelled, energy allocated" in told.stdout
    again = call("explain", "r", "scenario.embodied_kg")
    assert 0 == again.exit_code, again.stderr
    assert "a cloud's while it is held" in again.stdout
    assert "ccf-aws-2026:m6i.4xlarge" in again.stdout
    factors = read_parquet(tmp_path / "r" / "factors.parquet").set_index("quantity")
    assert "ccf-aws-2026:m6i.4xlarge" == factors.loc["embodied_kg", "factor_id"]
    assert "scenario:web" == factors.loc["lifetime_ms", "factor_id"]
    kg = json.loads((tmp_path / "r" / "summary.json").read_text())["scenario"]["embodied_kg"]
    assert f"{kg:.4g}" in again.stdout.partition("again")[2]
