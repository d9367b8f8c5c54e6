"""Every error of a scenario at once, each with its place and remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from greensched import registry
from greensched.errors import Finding, GreenschedError, ScenarioError
from greensched.scenario.settings import setting_name, settings_model, values_of
from greensched.scenario.spec import PolicySpec, ScenarioSpec, Tide, TraceSpec
from greensched.scenario.words import Problem, frozen, near, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.scenario.source import Path, Source
    from greensched.scenario.types import Spec


def check(source: Source) -> tuple[ScenarioSpec, tuple[Any, ...]]:
    """Return the checked scenario and its enabled policies, or raise ScenarioError with all."""
    tree = frozen(source.tree)
    problems: list[Problem] = []
    spec: ScenarioSpec | None = None
    try:
        spec = ScenarioSpec.model_validate(tree)
    except ValidationError as error:
        problems += translated(error, ScenarioSpec, tree)
    policies, found = _policies(tree)
    problems += found
    problems += _crossed(tree)
    if problems or spec is None:
        raise ScenarioError(*findings_of(source, problems))
    return spec, policies


def findings_of(source: Source, problems: list[Problem]) -> list[Finding]:
    """Return the findings in the order of the text, each once."""
    places = {p: _place(source, p.path) for p in problems}
    ordered = sorted(dict.fromkeys(problems), key=lambda p: (places[p], str(p.path), p.what))
    return [Finding(where=source.where(p.path), what=p.what, remedy=p.remedy) for p in ordered]


def _place(source: Source, path: Path) -> tuple[int, int]:
    """Return line and column of the nearest known parent of `path`."""
    while path and path not in source.places:
        path = path[:-1]
    return source.places.get(path, (0, 0))


def _policies(tree: Mapping[str, Any]) -> tuple[tuple[Any, ...], list[Problem]]:
    """Return the enabled policies and what is wrong with any of them."""
    policies: list[Any] = []
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    entries = tree.get("policies")
    for i, entry in enumerate(entries if isinstance(entries, tuple) else ()):
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if not isinstance(kind, str):
            continue  # the model says what is wrong
        path: Path = ("policies", i)
        if kind not in registry.names("policy"):
            remedy = near(kind, registry.names("policy"))
            what = f"unknown policy '{kind}'"
            problems.append(Problem(path=(*path, "kind"), what=what, remedy=remedy))
            continue
        policy_type = registry.load("policy", kind)
        technology = kind.partition("-")[0]  # its kinds exclude each other
        if technology in seen:
            what = f"policy '{kind}' is given twice (before as '{seen[technology]}')"
            remedy = f"keep one kind of {technology}"
            problems.append(Problem(path=(*path, "kind"), what=what, remedy=remedy))
        seen[technology] = kind
        settings = {k: v for k, v in entry.items() if k not in PolicySpec.model_fields}
        policy, found = built(policy_type, settings, path, "kind enabled")
        problems += found
        if policy is not None and entry.get("enabled", True) is True:
            policies.append(policy)
    return tuple(policies), problems


def built(
    settings_type: type[Any], settings: Mapping[str, Any], path: Path, known: str = ""
) -> tuple[Any, list[Problem]]:
    """Return an instance of a dataclass of settings, or what is wrong with them."""
    model = settings_model(settings_type)
    try:
        checked = model.model_validate(dict(settings))
        return settings_type(**values_of(settings_type, checked)), []
    except ValidationError as error:
        return None, translated(error, model, settings, path, known)
    except GreenschedError as error:
        return None, [
            Problem(path=(*path, *_setting(f.where)), what=f.what, remedy=f.remedy)
            for f in error.findings
        ]


def _setting(where: str) -> Path:
    """Return the path of a finding's field: `horizon_ms` or `--time-unit` as in a scenario."""
    name = where.removeprefix("--").replace("-", "_")
    return (setting_name(name),) if name.isidentifier() else ()


def _crossed(tree: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong between parts, as far as they can be read."""
    problems = [*_named(tree, "sites"), *_named(tree, "fleet")]
    sites = [s.get("name") for s in _entries(tree, "sites")]
    for i, entry in enumerate(_entries(tree, "fleet")):
        site = entry.get("site")
        if isinstance(site, str) and sites and site not in sites:
            remedy = near(site, [s for s in sites if isinstance(s, str)])
            problems.append(
                Problem(path=("fleet", i, "site"), what=f"unknown site '{site}'", remedy=remedy)
            )
        problems += _power(entry.get("power"), ("fleet", i, "power"))
        problems += _reader(entry, ("fleet", i))
    problems += _maintained(tree)
    traces = tree.get("traces")
    for key in ("services", "jobs", "databases"):
        part = traces.get(key) if isinstance(traces, dict) else None
        if isinstance(part, dict):
            problems += _trace(part, ("traces", key))
    return problems


def _maintained(tree: Mapping[str, Any]) -> list[Problem]:
    """Return maintenance of what is not there; machine types of a trace are not known yet."""
    known = {
        key: [name for e in _entries(tree, part) if isinstance(name := e.get("name"), str)]
        for key, part in (("site", "sites"), ("fleet", "fleet"))
    }
    if any("from" in entry for entry in _entries(tree, "fleet")):
        del known["fleet"]
    problems = []
    for i, entry in enumerate(_entries(tree, "maintenance")):
        for key, names in known.items():
            name = entry.get(key)
            if isinstance(name, str) and names and name not in names:
                what = f"unknown {'site' if key == 'site' else 'machine type'} '{name}'"
                path: Path = ("maintenance", i, key)
                problems.append(Problem(path=path, what=what, remedy=near(name, names)))
    return problems


def _entries(tree: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the mappings listed under `key`; others count as empty."""
    items = tree.get(key)
    return [e if isinstance(e, dict) else {} for e in items] if isinstance(items, tuple) else []


def _named(tree: Mapping[str, Any], key: str) -> list[Problem]:
    """Return names under `key` that are given twice."""
    problems = []
    seen: set[str] = set()
    for i, entry in enumerate(_entries(tree, key)):
        name = entry.get("name")
        if isinstance(name, str):
            if name in seen:
                what = f"'{name}' is given twice"
                problems.append(Problem(path=(key, i, "name"), what=what))
            seen.add(name)
    return problems


def _power(power: Any, path: Path) -> list[Problem]:
    """Return what is wrong with a power model that the fields alone do not show."""
    from greensched.scenario.convert import curve_of
    from greensched.scenario.fleetspec import CurvePower

    if not isinstance(power, dict):
        return []
    name = power.get("model", "linear")
    models = [m for m in registry.names("power model") if m != "piecewise"]
    if isinstance(name, str) and name not in models:
        remedy = near(name, models)
        return [
            Problem(path=(*path, "model"), what=f"unknown power model '{name}'", remedy=remedy)
        ]
    if "watts" in power or "per_core" in power:
        return []
    try:
        curve_of(CurvePower.model_validate(power))
    except ValidationError:
        return []  # already found
    except GreenschedError as error:
        return [
            Problem(path=(*path, *_setting(f.where)), what=f.what, remedy=f.remedy)
            for f in error.findings
        ]
    return []


def _reader(entry: Mapping[str, Any], path: Path) -> list[Problem]:
    """Return an unknown reader's name."""
    name = entry.get("reader")
    if isinstance(name, str) and name not in registry.names("reader"):
        remedy = near(name, registry.names("reader"))
        return [Problem(path=(*path, "reader"), what=f"unknown reader '{name}'", remedy=remedy)]
    return []


def _trace(entry: Mapping[str, Any], path: Path) -> list[Problem]:
    """Return what is wrong with a trace's files, reader and options."""
    from greensched.readers.options import ReadOptions

    problems = _reader(entry, path)
    if ("file" in entry) == ("files" in entry):
        what = "a trace has either 'file' or 'files'"
        problems.append(Problem(path=path, what=what, remedy="for example 'file: week.parquet'"))
    known = _known(TraceSpec)
    options = {k: v for k, v in entry.items() if k not in known}
    problems += built(ReadOptions, options_of(options), path, " ".join(known))[1]
    population = entry.get("population")
    tide = population.get("tide") if isinstance(population, dict) else None
    if isinstance(tide, dict):
        inner = (*path, "population", "tide")
        options = {k: v for k, v in tide.items() if k != "file"}
        problems += built(ReadOptions, options_of(options), inner, " ".join(_known(Tide)))[1]
    return problems


def options_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reader's options with the mapping `map` as pairs."""
    given = dict(options)
    if isinstance(given.get("map"), dict):
        given["map"] = tuple((str(k), v) for k, v in given["map"].items())
    return given


def _known(model: type[Spec]) -> list[str]:
    """Return the keys of a part."""
    return [f.alias or name for name, f in model.model_fields.items()]
