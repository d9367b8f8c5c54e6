"""Options that several commands share, spelt the same everywhere."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from greensched.cli import say
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greensched.readers.options import ReadOptions

F = TypeVar("F", bound="Callable[..., Any]")
DEMO_WORKERS_MAX = 4


def stack(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator of several, listed in --help in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _set_level(ctx: click.Context, _option: click.Parameter, value: Any) -> None:
    """Set how much is told; -q and -v arrive one after the other."""
    told = ctx.meta.setdefault("greensched.told", {"quiet": False, "verbose": 0})
    told["quiet" if isinstance(value, bool) else "verbose"] = value
    say.set_level(say.QUIET if told["quiet"] else min(told["verbose"], say.DEBUG))


verbosity = stack(
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_level,
        help="Print nothing but data and errors.",
    ),
    click.option(
        "-v",
        "--verbose",
        count=True,
        is_eager=True,
        expose_value=False,
        callback=_set_level,
        help="Tell more; -vv: also tracebacks.",
    ),
)


def form(*names: str) -> Callable[[F], F]:
    """Return `-o`: the form of what is printed, the first of `names` by default."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(names),
        default=names[0],
        show_default=True,
        help="Form of what is printed.",
    )


def overrides(_ctx: click.Context, _option: click.Parameter, values: Sequence[str]) -> Any:
    """Return `path=value` arguments as a dict; every one that is none is told at once."""
    findings = [
        Finding(where=f"--set {text}", what="has no '='", remedy="write path=value")
        for text in values
        if "=" not in text
    ]
    if findings:
        raise UsageError(*findings)
    return dict(text.split("=", 1) for text in values)


def mappings(_ctx: click.Context, _option: click.Parameter, values: Sequence[str]) -> Any:
    """Return `name=column` arguments as a dict; every one that cannot be is told at once."""
    names = [text.partition("=")[0] for text in values if "=" in text]
    findings = [
        Finding(where=f"--map {text}", what="has no '='", remedy="write NAME=COLUMN")
        for text in values
        if "=" not in text
    ]
    findings += [
        Finding(where=f"--map {name}=", what="given twice", remedy="give it once")
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if findings:
        raise UsageError(*findings)
    return dict(text.split("=", 1) for text in values)


scenario_options = stack(
    click.option(
        "--set",
        "overridden",
        multiple=True,
        metavar="PATH=VALUE",
        callback=overrides,
        help="Replace a scalar of the scenario; may be repeated.",
    ),
    click.option(
        "--overlay",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Values to replace, as `calibrate` writes them; --set goes over them.",
    ),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Replace the scenario's seed."),
    click.option(
        "--allow-outside",
        is_flag=True,
        help="Let the scenario name files outside its folder.",
    ),
    click.option(
        "--on-bad",
        type=click.Choice(["fail", "drop"]),
        help="What becomes of bad rows of traces.  [default: as the scenario says, else fail]",
    ),
)

WORKERS_HELP = (
    "Processes for the runs (scenario, baseline, static-peak, combinations of switches), "
    "each with memory of its own. The result is the same."
)
workers_option = click.option(
    "-j",
    "workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help=WORKERS_HELP,
)
demo_workers_option = click.option(
    "-j",
    "workers",
    type=click.IntRange(1),
    default=lambda: min(DEMO_WORKERS_MAX, os.cpu_count() or 1),
    show_default="processors, 4 at most",
    metavar="N",
    help=WORKERS_HELP,
)

times = stack(
    click.option("--time-unit", metavar="ms|s|min|h", help="Unit of times."),
    click.option("--time-zone", metavar="ZONE", help="Of times that state none."),
)

reader_options = stack(
    click.option("--reader", metavar="NAME", help="Format of the files."),
    click.option(
        "--map",
        "mapped",
        multiple=True,
        metavar="NAME=COLUMN",
        callback=mappings,
        help="The file's column for a column of the schema; may be repeated.",
    ),
    times,
    click.option("--zero-utc", metavar="INSTANT", help="What trace time zero stands for."),
    click.option("--step", metavar="DURATION", help="Of a series, like 300s."),
    click.option("--column", metavar="NAME", help="Of the load."),
    click.option("--unit", metavar="percent|cores|requests", help="Of the load."),
    click.option("--time-column", metavar="NAME", help="Of a long series."),
    click.option("--group-by", metavar="NAME", help="One service for each value."),
    click.option("--sum-over", metavar="NAME", help="Series that are summed in their group."),
    click.option("--name", metavar="NAME", help="Of the service, where nothing groups."),
    click.option("--member", metavar="FILE", help="Which file of an archive."),
    click.option("--fill", metavar="fail|hold|zero", help="What gaps in a load become."),
    click.option("--per", metavar="DURATION", help="Requests are counted in this time."),
    click.option(
        "--cpu-seconds-per-request",
        "--cpu-s-per-request",
        "cpu_s_per_request",
        type=float,
        help="What a request takes of a core.",
    ),
    click.option(
        "--gpu-seconds-per-request",
        "--gpu-s-per-request",
        "gpu_s_per_request",
        type=float,
        help="What a request takes of a GPU.",
    ),
    click.option("--cores", type=float, help="What 100 percent stands for."),
    click.option("--memory", metavar="SIZE", help="What 100 percent of memory stands for."),
    click.option("--replica-cores", type=float, help="Size of a replica."),
    click.option("--replica-memory", metavar="SIZE", help="Like 8GiB."),
    click.option("--replicas-min", type=int, help="Of each service."),
    click.option("--startup", metavar="DURATION", help="Of a replica."),
    click.option("--service-time", metavar="DURATION", help="One request holds one core."),
    click.option("--on-bad", type=click.Choice(["fail", "drop"]), help="Bad rows.  [fail]"),
    click.option("--allow-instant", is_flag=True, help="Keep jobs of length 0."),
    click.option("--synthetic", is_flag=True, help="Mark the trace as made, not measured."),
)

fetch_options = stack(
    click.option(
        "--days",
        type=click.FloatRange(min=0, min_open=True),
        help="Of a Prometheus: how long back.  [default: 28]",
    ),
    click.option("--until", metavar="INSTANT", help="Of a Prometheus.  [default: now]"),
)

# Option -> (field of ReadOptions, kind of quantity or number of thousandths).
_QUANTITIES = {
    "step": ("step_ms", "duration"),
    "per": ("per_ms", "duration"),
    "startup": ("startup_ms", "duration"),
    "service_time": ("service_time_ms", "duration"),
    "memory": ("memory_mib", "memory"),
    "replica_memory": ("replica_memory_mib", "memory"),
    "cores": ("cpu_m", "cores"),
    "replica_cores": ("replica_cpu_m", "cores"),
}


NOT_OF_READERS = ("reader", "mapped", "days", "until")


def read_options(given: dict[str, Any]) -> ReadOptions:
    """Return the options of a reader; raises UsageError with all that cannot be."""
    from greensched.readers.options import ReadOptions

    values: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, value in given.items():
        if value is None or value is False or name in NOT_OF_READERS:
            continue
        field, kind = _QUANTITIES.get(name, (name, ""))
        try:
            values[field] = _converted(value, kind)
        except ValueError as error:
            findings.append(Finding(where=f"--{name.replace('_', '-')}", what=str(error)))
    if findings:
        raise UsageError(*findings)
    return ReadOptions(map=tuple(given.get("mapped", {}).items()), **values)


def _converted(value: Any, kind: str) -> Any:
    """Return an option's value in the unit of its field; raises ValueError."""
    if kind == "cores":
        if not math.isfinite(value):
            message = f"{value:g} is not a finite number"
            raise ValueError(message)
        return round(value * 1000)
    if not kind:
        return value
    from greensched.scenario.quantity import DURATION, MEMORY, convert_integer

    return convert_integer(value, DURATION if kind == "duration" else MEMORY)


def setting_texts(given: dict[str, Any]) -> dict[str, str]:
    """Return the options of a reader as a scenario writes them: `time_unit` -> `h`."""
    texts = {}
    for name, value in given.items():
        if value is None or value is False or name in {*NOT_OF_READERS} - {"mapped"}:
            continue
        if name == "mapped":
            if value:
                inner = ", ".join(f"{_quoted(k)}: {_quoted(v)}" for k, v in value.items())
                texts["map"] = f"{{{inner}}}"
        elif value is True:
            texts[name] = "true"
        else:
            texts[name] = f"{value:g}" if isinstance(value, float) else _quoted(str(value))
    return texts


def _quoted(text: str) -> str:
    """Return text as a YAML scalar that stays text."""
    return "'" + text.replace("'", "''") + "'"


def found_reader(files: Sequence[Path], name: str | None) -> str:
    """Return the reader that was named, or that the files cannot be mistaken for.

    Raises UsageError where neither is so, and for a name that is none.
    """
    from greensched import registry

    if name:
        registry.load("reader", name)
        return name
    from greensched.cli.guess import guess

    found = guess(files)
    if found:
        say.tell(f"reading as {found} (--reader names another format)", at=say.VERBOSE)
        return found
    raise UsageError(
        Finding(
            where=", ".join(str(f) for f in files),
            what="the format cannot be told from the file",
            remedy=f"name it with --reader: {', '.join(registry.names('reader'))}",
        )
    )
