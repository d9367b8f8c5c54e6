"""`trace import | inspect | sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.lazy import LazyGroup
from greensched.cli.options import (
    fetch_options,
    form,
    found_reader,
    overrides,
    read_options,
    reader_options,
    verbosity,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import Trace

DIGITS_FROM = 1000  # larger values are shown without decimals
HOURS_SHOWN = "00    06    12    18    "  # above each stands the block of its hour


@click.group(
    cls=LazyGroup,
    lazy={
        "fetch": ("greensched.cli.traces:fetch", "Save what a Prometheus measured of a cluster."),
        "import": ("greensched.cli.traces:import_", "Read files once into a trace store."),
        "inspect": ("greensched.cli.traces:inspect", "Show what is in a store or in files."),
        "sample": ("greensched.cli.traces:sample", "Write the bundled samples anew."),
    },
)
def trace() -> None:
    """Import, inspect and generate traces."""


files_argument = click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, path_type=Path),
)


@click.command(name="import")
@files_argument
@click.option(
    "--out", required=True, metavar="STORE", type=click.Path(path_type=Path), help="The store."
)
@reader_options
@verbosity
def import_(files: tuple[Path, ...], out: Path, **given: Any) -> None:
    """Read FILEs of one trace and write a typed, memory-mapped store.

    An earlier store at that place is replaced, anything else is not touched.
    """
    from greensched import registry
    from greensched.cli.progress import reading
    from greensched.readers.resolve import told_if_slow
    from greensched.readers.store import write_store

    options = read_options(given)
    reader = registry.load("reader", found_reader(files, given["reader"]))
    with reading(), told_if_slow(files):
        made: Trace = reader(list(files), options)
        write_store(made, out)
    for finding in made.findings:
        say.tell(finding)
    say.tell(f"{_rows(made)} written")
    click.echo(out)


@click.command()
@click.argument("url")
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the answers; an earlier fetch in it is gone on with.",
)
@fetch_options
@click.option("--step", metavar="DURATION", help="Between samples.  [default: 300s]")
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="USUAL=YOURS",
    callback=overrides,
    help="A metric that is called otherwise there; may be repeated.",
)
@verbosity
def fetch(url: str, out: Path, **given: Any) -> None:
    """Ask the Prometheus at URL for a cluster's workloads, and save its answers, a file a day.

    They are read with --reader prometheus. A bearer token is sent where $PROMETHEUS_TOKEN has one.
    """
    from greensched.cli.metrics_fetch import fetched

    click.echo(fetched(url.removeprefix("prometheus:"), out, given))


def _rows(made: Trace) -> str:
    """Return how many rows of each kind a trace has, in words."""
    from greensched.errors import plural

    kinds = ("services", "jobs", "machines", "databases")
    found = [(kind, getattr(made, kind)) for kind in kinds]
    return ", ".join(
        plural(len(noun), kind.removesuffix("s")) for kind, noun in found if noun is not None
    )


def opened_trace(files: Sequence[Path], given: dict[str, Any]) -> Trace:
    """Return the trace of a store or of raw files, imported once into the user's cache."""
    from greensched import registry
    from greensched.cli.progress import reading
    from greensched.readers.resolve import import_cached
    from greensched.readers.store import is_store, open_store

    if len(files) == 1 and is_store(files[0]):
        return open_store(files[0])
    reader = found_reader(files, given["reader"])
    with reading():
        return import_cached(files, registry.load("reader", reader), read_options(given))


@click.command()
@files_argument
@form("table", "json")
@reader_options
@verbosity
def inspect(files: tuple[Path, ...], form: str, **given: Any) -> None:
    """Show rows, span, resources, quality, concurrency and the shape of the day."""
    from greensched.readers.inspect import inspect as look
    from greensched.report.outputs import json_text

    found = look(opened_trace(files, given))
    if form == "json":
        click.echo(json_text(found), nl=False)
        return
    click.echo("\n".join(_told(found)))


def _told(found: dict[str, Any]) -> list[str]:
    """Return what `inspect` found, a line a fact."""
    from greensched.errors import escape_control, plural
    from greensched.report.words import span

    told = []
    for kind in ("services", "jobs", "machines", "databases"):
        part = found[kind]
        rows = plural(part["rows"], "row") if part["rows"] else "none"
        told.append(f"{kind:9} {rows}")
        told += [f"  {key:22} {_value(value)}" for key, value in part.items() if key != "rows"]
    if found["span_s"]:
        told.append(f"span      {span(found['span_s'])}, from {found['zero_utc'] or 'trace zero'}")
    told += _over_time(found)
    if not found["is_timeline"]:
        told.append(f"NOTE      {found['timeline_note']}")
    if found["is_synthetic"]:
        told.append("NOTE      synthetic: made, not measured")
    told += [f"quality   {escape_control(f)}" for f in found["findings"]] or [
        "quality   no finding"
    ]
    return told


def _over_time(found: dict[str, Any]) -> list[str]:
    """Return the lines on concurrency, load over the span and the shape of the day."""
    from greensched.errors import plural
    from greensched.readers.inspect import sparkline

    over, told = found["concurrency"], []
    most = max(over["jobs_max"], default=0)
    if most:
        told.append(f"at once   at most {plural(most, 'job')}, if each starts when submitted")
    for key, of in (
        ("cores_mean", "cores of jobs that run"),
        ("load_cores_mean", "cores of work that services want"),
    ):
        values = _coarse(over[key])
        if len(values) > 1 and any(values):
            told.append(f"the span  {sparkline(values)}  {_range(values)} {of}")
    if any(found["day_profile"]) and found["is_timeline"]:
        values = found["day_profile"]
        told.append(f"the day   {sparkline(values)}  {_range(values)} {found['day_profile_of']}")
        told.append(
            f"          {HOURS_SHOWN}  {'UTC' if found['zero_utc'] else 'from trace zero'}"
        )
    return told


def _range(values: Sequence[float]) -> str:
    """Return the least and the largest of what a sparkline shows."""
    return f"{_value(min(values))} .. {_value(max(values))}"


def _coarse(values: Sequence[float], points: int = 60) -> list[float]:
    """Return at most `points` means over equal parts of `values`."""
    per = max(1, -(-len(values) // points))
    parts = [values[i : i + per] for i in range(0, len(values), per)]
    return [sum(part) / len(part) for part in parts]


def _value(value: Any) -> str:
    """Return a fact as people read it."""
    from greensched.errors import escape_control

    if isinstance(value, dict):
        return ", ".join(f"{escape_control(str(k))} {_value(v)}" for k, v in value.items())
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= DIGITS_FROM or value == int(value) else f"{value:,.3g}"
    if value is None:
        return "not known"
    return f"{value:,}" if isinstance(value, int) else str(value)


@click.command()
@click.option(
    "--out",
    default="traces",
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the files.",
)
@click.option("--seed", type=click.IntRange(0), help="Another seed gives other weeks.")
@verbosity
def sample(out: Path, seed: int | None) -> None:
    """Write the bundled samples: services, jobs, databases, hourly intensity; with history."""
    from greensched.generate import SAMPLE_SEED, write_samples

    for path in write_samples(out, seed=SAMPLE_SEED if seed is None else seed):
        click.echo(path)
