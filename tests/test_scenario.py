"""Scenario files: every error at once with its place, overrides, hash, schema, shipped files."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greensched.errors import ScenarioError, UsageError
from greensched.scenario import (
    fleet_types,
    init_text,
    load,
    loads,
    reference_text,
    schema,
)
from greensched.scenario.overrides import path_text, scalar_paths
from greensched.scenario.quantity import DURATION, MEMORY, POWER, QuantityError, convert
from greensched.scenario.source import read_text

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("tidal-week", "openb", "inference-night", "surf-week")

GOOD = """\
apiVersion: greensched/v1
kind: Scenario
name: small
window: {start: 2023-03-06T00:00+08:00, days: 1}
sites:
  - {name: hz, zone: CN-EAST, pue: 1.25, intensity: 500 g/kWh}
fleet:
  - {name: gen8, site: hz, count: 4, cores: 64, memory: 256 GiB,
     power: {idle: 110 W, peak: 320 W}}
traces: {services: bundled:online-week, jobs: bundled:batch-week}
policies:
  - kind: elastic
  - kind: tidal
    end: 07:30
"""


def errors_of(text: str) -> list[str]:
    """Return the findings of `text` as lines; none where it is good."""
    try:
        loads(text)
    except ScenarioError as error:
        return [str(finding) for finding in error.findings]
    return []


def test_yaml_1_2_reads_no_as_text_and_010_as_ten() -> None:
    """The traps of YAML 1.1 are not there: no, 22:00, 010, dates."""
    tree = read_text("a: no\nb: 22:00\nc: 010\nd: 2023-03-06\ne: 1e3\nf: 0x1F\n", "x").tree
    expected = {"a": "no", "b": "22:00", "c": 10, "d": "2023-03-06", "e": 1000.0, "f": 31}
    assert expected == tree


@pytest.mark.parametrize(
    ("expected", "text", "kind"),
    [
        (65_536.0, "64 GiB", MEMORY),
        (43_200_000.0, "12 h", DURATION),
        (5 * 365 * 86_400_000.0, "5 y", DURATION),
        (1_500.0, "1.5 kW", POWER),
        (300_000.0, "300s", DURATION),
    ],
)
def test_quantities_are_converted_exactly(expected: float, text: str, kind: object) -> None:
    """Quantities of the design's examples have their exact value inside."""
    assert expected == convert(text, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(("meant", "text"), [("min", "90m"), ("h", "2 hrs"), ("ms", "5 mss")])
def test_units_people_write_are_understood_as_hints(meant: str, text: str) -> None:
    """`90m` is no quantity here, and asks for minutes rather than for milliseconds."""
    with pytest.raises(QuantityError) as raised:
        convert(text, DURATION)
    assert f"did you mean '{meant}'?" == raised.value.remedy


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=8)))
def test_no_value_but_a_power_passes_as_one(value: object) -> None:
    """Whatever stands where a power should, it is a number of watts or a QuantityError."""
    try:
        watts = convert(value, POWER)
    except QuantityError:
        return
    assert isinstance(value, str)
    assert watts == watts  # noqa: PLR0124 not NaN


def test_paths_of_overrides_go_by_index_name_and_kind() -> None:
    """The three ways to name one scalar give the same scenario."""
    scenario = loads(GOOD)
    ways = ("fleet.0.count", "fleet[0].count", "fleet.gen8.count")
    hashes = {scenario.with_(**{way: "100"}).hash for way in ways}
    assert len(hashes) == 1
    assert fleet_types(scenario.with_(**{ways[2]: 100}))[0].count == 100
    for name in ("m5.large", "gen 8", "a.b.c"):
        other = loads(GOOD.replace("gen8", f"'{name}'"))
        path = path_text(("fleet", name, "count"))
        assert (f"fleet[{name}].count" if "." in name else f"fleet.{name}.count") == path
        assert path in scalar_paths(other.source.tree)
        for way in (path, f"fleet['{name}'].count"):
            assert fleet_types(other.with_(**{way: "100"}))[0].count == 100
    later = scenario.with_(**{"policies.tidal.end": "6 h"}).policies[1]
    assert getattr(later, "end_ms") == 6 * 3_600_000  # noqa: B009 not of every policy


def test_overrides_reach_defaults_that_the_file_does_not_write() -> None:
    """A scalar of an optional part can be set without writing the part."""
    scenario = loads(GOOD, overrides={"queue.discipline": "fifo", "fleet.0.boot.time": "1 min"})
    assert scenario.queue.discipline == "fifo"
    assert fleet_types(scenario)[0].boot_ms == 60_000
    assert fleet_types(loads(GOOD, overrides={"fleet.0.power.model": "sqrt"}))[0].power.watts(
        0.25
    ) == pytest.approx(215.0)


def test_an_override_that_leads_nowhere_names_near_paths() -> None:
    """A wrong path is refused with the nearest right ones; a part is no scalar."""
    with pytest.raises(UsageError, match=r"no 'polcies'; near: policies.tidal.kind"):
        loads(GOOD, overrides={"polcies.tidal.kind": "x"})
    with pytest.raises(UsageError, match=r"not a scalar: .* fleet.gen8.name"):
        loads(GOOD, overrides={"fleet": "3"})
    with pytest.raises(ScenarioError, match="did you mean 'count'"):
        loads(GOOD, overrides={"fleet.0.cont": "3"})


def test_every_scalar_of_a_shipped_scenario_can_be_overridden_by_itself() -> None:
    """Setting each scalar to what it is changes nothing, whichever it is."""
    for name in SHIPPED:
        scenario = load(ROOT / "simulations" / f"{name}.yaml")
        for path in scalar_paths(scenario.source.tree):
            node: object = scenario.source.tree
            for step in path.split("."):
                node = _child(node, step)
            assert scenario.hash == scenario.with_(**{path: node}).hash


def _child(node: object, step: str) -> object:
    """Return what `step` names in a mapping or list."""
    if isinstance(node, dict):
        return node[step]
    assert isinstance(node, list)
    if step.isdigit():
        return node[int(step)]
    return next(i for i in node if step in (i.get("name"), i.get("kind")))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios_check_and_survive_a_round_trip(name: str) -> None:
    """Each shipped file is good, fits the JSON Schema, and its text loads to the same hash."""
    scenario = load(ROOT / "simulations" / f"{name}.yaml")
    assert name == scenario.name
    assert scenario.hash == loads(scenario.text).hash
    jsonschema.validate(scenario.source.tree, schema())


def test_hash_ignores_how_and_sees_what_is_written() -> None:
    """Units, order of keys, comments and defaults leave the hash; seed and values change it."""
    base = loads(GOOD).hash
    same = GOOD.replace("110 W", "0.11 kW").replace("name: small", "seed: 0  # note\nname: small")
    assert base == loads(same).hash
    assert base == loads(GOOD + "  - {kind: colocation, enabled: false}\n").hash
    assert base == loads(GOOD.replace("end: 07:30", "end: 450 min")).hash
    for other in ("seed: 1\nname: small", "name: smaller"):
        assert base != loads(GOOD.replace("name: small", other)).hash
    assert base != loads(GOOD.replace("110 W", "111 W")).hash
    assert loads(GOOD).result_name == f"small-{base[:8]}"


def test_disabled_policies_are_checked_but_not_run() -> None:
    """`enabled: false` leaves a switch out; its settings are still checked."""
    text = GOOD.replace("kind: tidal", "kind: tidal\n    enabled: false")
    assert [p.kind for p in loads(text).policies] == ["elastic-predictive"]
    assert "cannot be" in errors_of(text.replace("end: 07:30", "share: 2.0"))[0]


def test_window_is_in_local_time_and_utc() -> None:
    """The start's offset gives the local time of day; the length is exact."""
    scenario = loads(GOOD.replace("T00:00+08:00", "T09:30+08:00").replace("days: 1", "hours: 22"))
    assert scenario.start_offset_ms == (9 * 60 + 30) * 60_000
    assert scenario.start_utc_ms == 1_678_066_200_000
    assert scenario.window_ms == 22 * 3_600_000


def test_the_schema_is_a_schema_and_refuses_an_unknown_policy() -> None:
    """The JSON Schema is valid, plain JSON, and knows the registered policies."""
    whole = json.loads(json.dumps(schema()))
    jsonschema.Draft202012Validator.check_schema(whole)
    tree = read_text(GOOD.replace("kind: tidal", "kind: tidl"), "x").tree
    assert list(jsonschema.Draft202012Validator(whole).iter_errors(tree))


def test_the_reference_page_is_what_the_checks_say() -> None:
    """docs/reference/scenario.md is the text that `reference_text` makes."""
    assert reference_text() == (ROOT / "docs/reference/scenario.md").read_text(encoding="utf-8")


def test_init_without_a_trace_writes_a_good_scenario() -> None:
    """The template runs as it is and says what it assumes."""
    text = init_text(name="mine")
    assert loads(text).name == "mine"
    assert text.count("ASSUMED") >= 6


def test_missing_file_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file that is not there or not UTF-8 is a finding, not a traceback."""
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        load(tmp_path / "bad.yaml")
