"""`init`, `validate` and `schema`: scenario files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from greensched.cli import say
from greensched.cli.options import (
    fetch_options,
    form,
    found_reader,
    reader_options,
    scenario_options,
    setting_texts,
    verbosity,
)
from greensched.errors import Finding, UsageError

ANY_FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="[FORMAT:]FILE",
    help="A trace: a file, kubernetes:FILE, prometheus:URL, sacct:FILE; may be repeated.",
)
@click.argument("more", nargs=-1, metavar="[FILE]...", type=ANY_FILE)
@click.option(
    "--out",
    metavar="FILE",
    help="The scenario; '-' prints it.  [default: <name of the trace>.yaml, here]",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@fetch_options
@reader_options
@verbosity
def init(
    sources: tuple[str, ...],
    more: tuple[Path, ...],
    out: str | None,
    force: bool,  # noqa: FBT001 click passes flags by name
    **given: Any,
) -> None:
    """Write a scenario that runs as it is, for a trace or for the bundled week.

    Every assumption that it had to make is a comment in it. Further FILEs belong to the same
    trace. What a Prometheus measured is saved beside the scenario, and read from there.
    """
    from greensched.cli.init_source import files_of
    from greensched.scenario import init_text, loads

    name = _scenario_name(sources, more, out)
    place = None if out == "-" else Path(out or f"{name}.yaml")
    if place is not None and place.exists() and not force:
        what = f"'{place}' is there already"
        raise UsageError(Finding(where="--out", what=what, remedy="--force replaces it"))
    kept = (Path() if place is None else place.parent) / f"{name}-prometheus"
    named_format, files = files_of(sources, more, kept, given)
    given["reader"] = given["reader"] or named_format or None
    folder = Path() if place is None else place.parent
    named, outside = _named(files, folder)
    flag = " --allow-outside" if outside else ""
    called = (name, f"{place or name + '.yaml'}{flag}")
    if files:
        text = _for_trace(files, named, given, called)
    else:
        named_so, place_so = called
        text = init_text(name=named_so, place=place_so)
    loads(text, place.name if place else "scenario.yaml", folder, allow_outside=outside)
    if place is None:
        click.echo(text, nl=False)
        return
    _write(place, text)
    click.echo(place)
    if outside:
        say.tell("it names files outside its own folder, which a run has to allow")
    say.tell(f"next      greensched run {place}{flag}")


def _for_trace(
    files: tuple[Path, ...], named: list[str], given: dict[str, Any], called: tuple[str, str]
) -> str:
    """Return the scenario of a trace; `called` are its name and place."""
    from greensched.cli.init_source import parts_of
    from greensched.cli.traces import opened_trace
    from greensched.readers.store import is_store
    from greensched.scenario import init_text

    trace = opened_trace(files, given)
    reader = "canonical" if is_store(files[0]) else found_reader(files, given["reader"])
    name, place = called
    more = parts_of(reader, files, trace, given)
    return init_text(
        trace,
        files=named,
        reader=reader,
        options=setting_texts(given),
        name=name,
        place=place,
        fleet=more.fleet,
        baseline=more.baseline,
    )


def _scenario_name(sources: tuple[str, ...], more: tuple[Path, ...], out: str | None) -> str:
    """Return the scenario's name: of its file, else of its first source."""
    from greensched.cli.init_source import is_address, split

    if out not in (None, "-"):
        return _name(Path(str(out)))
    first = split(sources[0])[1] if sources else str(more[0]) if more else ""
    return _name(Path(first)) if first and not is_address(first) else "my-cluster"


def _name(path: Path) -> str:
    """Return a scenario's name for a trace's file."""
    stem = path.resolve().name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100] or "my-cluster"


def _named(files: tuple[Path, ...], folder: Path) -> tuple[list[str], bool]:
    """Return how a scenario in `folder` names the files, and whether one lies outside it."""
    from greensched.scenario.paths import data_root

    root, base = data_root(), folder.resolve()
    named, outside = [], False
    for path in files:
        full = path.resolve()
        if full.is_relative_to(base):
            named.append(full.relative_to(base).as_posix())
        elif root is not None and full.is_relative_to(root):
            named.append(f"data:{full.relative_to(root).as_posix()}")
        else:
            named.append(Path(os.path.relpath(full, base)).as_posix())
            outside = True
    return named, outside


def _write(place: Path, text: str) -> None:
    """Write a text file in full or not at all."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.part")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(place)
    except OSError as error:
        what = f"'{place}' cannot be written: {error.strerror or error}"
        raise UsageError(Finding(where="--out", what=what)) from None


@click.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@form("table", "json")
@scenario_options
@verbosity
def validate(scenario: Path, form: str, **asked: Any) -> None:
    """Check SCENARIO and the files that it names; every error is told at once."""
    from greensched.cli.progress import reading
    from greensched.cli.running import Asked
    from greensched.errors import plural
    from greensched.experiment.world import shared
    from greensched.report.outputs import json_text
    from greensched.report.words import span

    loaded = Asked(path=scenario, **asked).load()
    with reading():
        world = shared(loaded, forecasts=False)
    work = world.workload
    found: dict[str, Any] = {
        "name": loaded.name,
        "scenario_sha256": loaded.hash,
        "length_s": loaded.window_ms / 1000,
        "services": 0 if work.services is None else len(work.services),
        "jobs": 0 if work.jobs is None else len(work.jobs),
        "databases": 0 if work.databases is None else len(work.databases),
        "machines": world.machines,
        "findings": list(work.findings),
    }
    if form == "json":
        click.echo(json_text(found), nl=False)
        return
    kinds = ("service", "job", *(("database",) if work.databases else ()), "machine")
    parts = [plural(found[k + "s"], k) for k in kinds]
    click.echo(f"{scenario}: ok ({span(found['length_s'])}, {', '.join(parts)})")
    for finding in found["findings"]:
        click.echo(f"  {finding}")


@click.command()
@click.argument(
    "of",
    type=click.Choice(["scenario", "company", "summary", "attribution", "sizing"]),
    default="scenario",
)
@verbosity
def schema(of: str) -> None:
    """Print the JSON Schema of a scenario's or company's file, or of what commands print."""
    from greensched.report.outputs import json_text

    if of == "scenario":
        from greensched.scenario import schema as made

        click.echo(json_text(made()), nl=False)
        return
    if of == "company":
        from greensched.scenario.company_file import company_schema

        click.echo(json_text(company_schema()), nl=False)
        return
    from greensched.report.schema import attribution_schema, summary_schema
    from greensched.report.sizing import sizing_schema

    made_of = {
        "summary": summary_schema,
        "attribution": attribution_schema,
        "sizing": sizing_schema,
    }
    click.echo(json_text(made_of[of]()), nl=False)
