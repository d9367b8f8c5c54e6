"""Errors of scenario files: each class, word for word, all at once, before anything is built."""

from __future__ import annotations

import pytest

from greensched.errors import ScenarioError
from greensched.scenario import load, loads
from tests.conftest import ROOT
from tests.test_scenario import GOOD


def errors_of(text: str) -> list[str]:
    """Return the findings of `text` as lines; none where it is good."""
    try:
        loads(text)
    except ScenarioError as error:
        return [str(finding) for finding in error.findings]
    return []


def test_a_good_file_has_no_findings() -> None:
    """The text that the cases below damage is itself good."""
    assert errors_of(GOOD) == []


CASES = {
    "unknown policy": (
        "kind: tidal",
        "kind: tidl",
        "scenario.yaml:13:5  policies[1].kind: unknown policy 'tidl'; did you mean 'tidal'?",
    ),
    "PUE below 1": (
        "pue: 1.25",
        "pue: 0.9",
        "scenario.yaml:6:31  sites[0].pue: 0.9 is below 1.0; PUE is facility energy / IT energy",
    ),
    "unknown key": (
        "count: 4",
        "cout: 4, count: 4",
        "scenario.yaml:8:28  fleet[0].cout: unknown key 'cout'; did you mean 'count'?",
    ),
    "unknown key at the top": (
        "kind: Scenario",
        "kind: Scenario\nsed: 3",
        "scenario.yaml:3:1  sed: unknown key 'sed'; did you mean 'seed'?",
    ),
    "no unit": (
        "256 GiB",
        "256",
        "scenario.yaml:8:49  fleet[0].memory: 256 has no unit; write a unit too, like '64 GiB'",
    ),
    "wrong dimension": (
        "110 W",
        "110 h",
        "scenario.yaml:9:14  fleet[0].power.idle: '110 h' is not a power; write it like '110 W'",
    ),
    "unknown unit": (
        "110 W",
        "110 kw",
        "scenario.yaml:9:14  fleet[0].power.idle: unknown unit 'kw'; did you mean 'kW'?",
    ),
    "idle above peak": (
        "110 W",
        "410 W",
        "scenario.yaml:9:14  fleet[0].power.idle: idle 410 W is above peak 320 W",
    ),
    "unknown power model": (
        "{idle: 110 W",
        "{model: sqr, idle: 110 W",
        (
            "scenario.yaml:9:14  fleet[0].power.model: unknown power model 'sqr'; "
            "did you mean 'sqrt'?"
        ),
    ),
    "unknown site": (
        "site: hz",
        "site: hx",
        "scenario.yaml:8:18  fleet[0].site: unknown site 'hx'; did you mean 'hz'?",
    ),
    "no UTC offset": (
        "+08:00",
        "",
        (
            "scenario.yaml:4:10  window.start: '2023-03-06T00:00' has no UTC offset; write "
            "'2023-03-06T00:00Z' for UTC or '2023-03-06T00:00+08:00'"
        ),
    ),
    "days and hours": (
        "days: 1",
        "days: 1, hours: 3",
        "scenario.yaml:4:1  window: a window has either 'days' or 'hours'; for example 'days: 7'",
    ),
    "missing key": (
        "zone: CN-EAST, ",
        "",
        "scenario.yaml:6:5  sites[0].zone: key 'zone' is missing",
    ),
    "text for a number": (
        "count: 4",
        "count: four",
        "scenario.yaml:8:28  fleet[0].count: 'four' is not a whole number",
    ),
    "true for a number": (
        "count: 4",
        "count: true",
        "scenario.yaml:8:28  fleet[0].count: true is not a whole number",
    ),
    "number below its least": (
        "count: 4",
        "count: -4",
        "scenario.yaml:8:28  fleet[0].count: -4 is below 0",
    ),
    "unknown choice": (
        "policies:",
        "baseline: {kind: autoscale}\npolicies:",
        (
            "scenario.yaml:11:12  baseline.kind: unknown value 'autoscale'; "
            "did you mean 'autoscaled'?"
        ),
    ),
    "intensity without unit": (
        "500 g/kWh",
        "500",
        (
            "scenario.yaml:6:42  sites[0].intensity: 500 has no unit; "
            "write a unit too, like '500 g/kWh'"
        ),
    ),
    "intensity out of range": (
        "500 g/kWh",
        "5000 g/kWh",
        (
            "scenario.yaml:6:42  sites[0].intensity: '5000 g/kWh' is not above 0 and at most "
            "2,000 g/kWh; grids have 5 to 1,500 g/kWh: is the unit right?"
        ),
    ),
    "unknown setting": (
        "end: 07:30",
        "ends: 07:30",
        "scenario.yaml:14:5  policies[1].ends: unknown key 'ends'; did you mean 'end'?",
    ),
    "setting out of range": (
        "end: 07:30",
        "share: 1.5",
        "scenario.yaml:14:5  policies[1].share: 1.5 cannot be; expected a share between 0 and 1",
    ),
    "no such time of day": (
        "end: 07:30",
        "end: 27:30",
        "scenario.yaml:14:5  policies[1].end: '27:30' is not a time of day; write it like '22:30'",
    ),
    "policy twice": (
        "kind: tidal\n    end: 07:30",
        "kind: elastic-reactive",
        (
            "scenario.yaml:13:5  policies[1].kind: policy 'elastic-reactive' is given twice "
            "(before as 'elastic'); keep one kind of elastic"
        ),
    ),
    "unknown reader": (
        "bundled:batch-week",
        "{file: a.csv, reader: swff}",
        "scenario.yaml:10:61  traces.jobs.reader: unknown reader 'swff'; did you mean 'swf'?",
    ),
    "unknown option of a reader": (
        "bundled:batch-week",
        "{file: a.csv, reader: swf, time_unti: h}",
        (
            "scenario.yaml:10:74  traces.jobs.time_unti: unknown key 'time_unti'; "
            "did you mean 'time_unit'?"
        ),
    ),
    "no demand": (
        "{services: bundled:online-week, jobs: bundled:batch-week}",
        "{}",
        "scenario.yaml:10:1  traces: no demand; give any of 'services', 'jobs' and 'databases'",
    ),
    "duplicate key": (
        "name: small",
        "name: small\nname: large",
        "scenario.yaml:4:1  name: key 'name' is given twice, first in line 3",
    ),
    "alias": (
        "name: small",
        "name: &a small\nseed: *a",
        "scenario.yaml:3:7: anchor 'a' is not allowed; write the value out",
    ),
    "tag": (
        "name: small",
        "name: !!python/name:os.system small",
        "scenario.yaml:3:7: tag 'tag:yaml.org,2002:python/name:os.system' is not allowed",
    ),
    "NaN": (
        "pue: 1.25",
        "pue: .nan",
        "scenario.yaml:6:31  sites[0].pue: .nan is not a number that can be used",
    ),
    "infinity by exponent": (
        "pue: 1.25",
        "pue: 1e999",
        "scenario.yaml:6:31  sites[0].pue: 1e999 is not a number that can be used",
    ),
    "integer beyond 64 bits": (
        "count: 4",
        "count: 99999999999999999999",
        "scenario.yaml:8:28  fleet[0].count: too large for an integer of 64 bits",
    ),
    "control characters": (
        "name: small",
        'name: "a\\x1b[31m"',
        "scenario.yaml:3:1  name: control characters are not allowed",
    ),
    "two documents": (
        "kind: Scenario",
        "kind: Scenario\n---\na: 1",
        "scenario.yaml: 2 documents; one is expected",
    ),
    "a key that is no text": (
        "name: small",
        "name: small\n[1]: 2",
        "scenario.yaml:4:1: a key must be plain text",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_class_of_error_names_place_value_and_remedy(case: str) -> None:
    """One damage to a good file gives its one finding, word for word."""
    old, new, expected = CASES[case]
    assert GOOD.count(old) >= 1
    assert expected in errors_of(GOOD.replace(old, new, 1))


def test_all_errors_of_a_file_come_at_once_in_its_order() -> None:
    """Errors of fields, between parts and of policies are reported together, by line."""
    bad = GOOD.replace("1.25", "0.9").replace("site: hz", "site: hx").replace("tidal", "tidl")
    bad = bad.replace("+08:00", "").replace("256 GiB", "256")
    lines = errors_of(bad)
    expected = ["window.start", "sites[0].pue", "fleet[0].site", "fleet[0].memory"]
    assert [*expected, "policies[1].kind"] == [s.split("  ")[1].split(":")[0] for s in lines]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- a\n- b\n", "not a mapping of keys"),
        ("a: [1, 2", "not YAML"),
        ("", "not a mapping of keys"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("a: " + "[" * 100_000, "nested deeper than 50 levels"),
        ("# " + "x" * (1 << 20), "more than 1 MiB"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "alias 'b' is not allowed"),
    ],
)
def test_text_that_is_no_scenario_is_refused_before_it_is_built(text: str, what: str) -> None:
    """Broken, huge, deep and multiplying texts end in one clear finding."""
    assert what in "\n".join(errors_of(text))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("fleet.0.power.idle", "80", "--set fleet.0.power.idle: 80 has no unit"),
        ("fleet[0].cout", "3", "--set fleet[0].cout: unknown key 'cout'"),
        ("policies.0.kind", "elastc", "--set policies.0.kind: unknown policy 'elastc'"),
        ("pools.gen8.serve", "-9", "--set pools.gen8.serve: "),
    ],
)
def test_what_is_given_beside_the_file_is_told_as_it_was_written(
    path: str, value: str, told: str
) -> None:
    """Nobody is sent to a line of the file for what does not stand there; the rest is as ever."""
    scenario = ROOT / "simulations" / "tidal-week.yaml"
    with pytest.raises(ScenarioError) as caught:
        load(scenario, {path: value})
    assert str(caught.value).startswith(told)
    text = scenario.read_text(encoding="utf-8").replace("kind: elastic\n", "kind: elastc\n")
    with pytest.raises(ScenarioError, match=r"^tidal-week\.yaml:\d+:\d+  policies"):
        loads(text, "tidal-week.yaml", overrides={"fleet.0.count": "5"})
