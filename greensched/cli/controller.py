"""`controller run | release-overdue | release-all`: what acts on a cluster."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from greensched.cli import say
from greensched.cli.carbon_options import fill_option, time_zone_option, unasked
from greensched.cli.lazy import LazyGroup
from greensched.cli.options import form, stack, verbosity
from greensched.errors import Finding, OutsideError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from greensched.controller.cluster import OfficialCluster
    from greensched.controller.foresight import Sources
    from greensched.controller.metrics import Metrics
    from greensched.controller.overdue import Outcome
    from greensched.controller.process import Process

HERE = "greensched.cli.controller"
VIEWS = "greensched.cli.controller_views"
MS_PER_S = 1_000


@click.group(
    cls=LazyGroup,
    lazy={
        "scout": (f"{VIEWS}:scout", "Tell what deferring would save; changes nothing."),
        "run": (f"{HERE}:run", "Work: defer Jobs, until stopped."),
        "plan": (f"{VIEWS}:plan", "List what waits, until when and why."),
        "explain": (f"{VIEWS}:explain", "Tell all about one Job."),
        "release-overdue": (f"{HERE}:overdue", "Let run what must not wait any longer."),
        "release-all": (f"{HERE}:everything", "Let run everything that waits."),
    },
)
def controller() -> None:
    """Defer Kubernetes Jobs to hours of low carbon intensity.

    A Job takes part that is labelled greensched.io/defer=true and created suspended; annotations
    say by when. Without the controller nothing is lost: release-overdue needs no more than the
    API server.
    """


cluster_options = stack(
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Of the cluster.  [default: this Pod's account, $KUBECONFIG, ~/.kube/config]",
    ),
    click.option("--context", metavar="NAME", help="Of the kubeconfig."),
    click.option("-n", "--namespace", default="", metavar="NAME", help="Only this.  [all]"),
)


def connected(kubeconfig: Path | None, context: str | None) -> OfficialCluster:
    """Return the cluster that the options name."""
    from greensched.controller.cluster import connect

    return connect(kubeconfig, context)


def clock_ms() -> int:
    """Return what our clock shows [ms since 1970 UTC]."""
    return int(time.time() * MS_PER_S)


def _sources(texts: Sequence[str], given: dict[str, Any], folder: Path | None) -> Sources:
    """Return chains of sources by name; raises UsageError with all that are none."""
    from greensched import registry
    from greensched.controller.foresight import Sources
    from greensched.providers.cache import cache_folder
    from greensched.providers.points import Provider, Settings

    settings = Settings(
        signal=given["signal"],
        unit=given["unit"],
        query=given["query"],
        time_zone=given["time_zone"],
        fill=given["fill"],
    )
    named: dict[str, list[Provider]] = {}
    findings: list[Finding] = []
    for text in texts:
        name, equals, source = text.partition("=")
        try:
            if not (name and equals and source):
                remedy = "write NAME=SOURCE, such as main=uk-carbon-intensity"
                findings.append(
                    Finding(where=f"--source {text}", what="names no source", remedy=remedy)
                )
            else:
                named.setdefault(name, []).append(registry.source(source, settings))
        except UsageError as error:
            findings += error.findings
    findings += unasked(settings.query, [s.name for chain in named.values() for s in chain])
    if findings:
        raise UsageError(*findings)
    return Sources(named, folder or cache_folder())


run_options = stack(
    click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="NAME=SOURCE",
        help="What policies call NAME: as --intensity elsewhere. The same name again: asked next.",
    ),
    click.option("--signal", type=click.Choice(["average", "marginal"]), help="Of the sources."),
    click.option("--unit", default="g/kWh", show_default=True, help="Of values that state none."),
    click.option("--query", metavar="PROMQL", default="", help="For prometheus."),
    time_zone_option,
    fill_option,
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where answers are kept.  [default: the user's cache]",
    ),
    click.option(
        "--ledger",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Where settled savings are entered; made if it is not there.  [default: nowhere]",
    ),
    click.option(
        "--dry-run", is_flag=True, help="Let every Job run at once; settle what would have been."
    ),
    click.option(
        "--identity",
        default=lambda: os.environ.get("POD_NAME") or f"{os.uname().nodename}-{os.getpid()}",
        show_default="$POD_NAME, else this machine and process",
        metavar="NAME",
        help="Of this replica.",
    ),
    click.option(
        "--lease-namespace",
        default=lambda: os.environ.get("POD_NAMESPACE", "default"),
        show_default="$POD_NAMESPACE, else default",
        metavar="NAME",
        help="Where replicas agree on who acts.",
    ),
    click.option(
        "--prometheus",
        default="",
        metavar="URL",
        help="Where policies' queries for energy go.  [default: watts are assumed]",
    ),
    click.option(
        "--metrics-port", type=click.IntRange(0, 65_535), help="Show metrics there.  [none]"
    ),
)


@click.command()
@cluster_options
@run_options
@verbosity
def run(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    identity: str,
    dry_run: bool,  # noqa: FBT001 click passes flags by name
    **given: Any,
) -> None:
    """Defer Jobs as CarbonPolicies say, until stopped (Ctrl-C, SIGTERM).

    Several replicas may run: one acts, the others stand by. All state is in the cluster; killing
    it loses nothing, and what is overdue is let run first by whoever starts next.
    """
    import threading

    from greensched.controller.lease import Lease
    from greensched.controller.main import Clocks, Controller
    from greensched.controller.metrics import Metrics
    from greensched.controller.process import Guarded, Process
    from greensched.providers.web import base_url

    sources = _sources(given["sources"], given, given["cache"])
    cluster = connected(kubeconfig, context)
    clocks = Clocks(wall_ms=clock_ms, steady_s=time.monotonic)
    lease = Lease(cluster, clocks, given["lease_namespace"], identity)
    metrics = Metrics()
    ledger = _ledger(given["ledger"], identity, metrics, dry_run=dry_run)
    guarded = Guarded(cluster, lease.holds, metrics)
    worker = Controller(
        guarded,
        sources,
        clocks,
        identity,
        ledger,
        dry_run=dry_run,
        prometheus=given["prometheus"] and base_url(given["prometheus"], "", "--prometheus"),
    )
    if given["metrics_port"] is not None:
        metrics.serve(given["metrics_port"])
    stop = threading.Event()
    process = Process(worker, lease, stop, metrics, namespace)

    _stop_on_signals(stop, process)
    if not given["sources"]:
        say.tell("no --source is named: nothing is known of intensity, and every Job runs at once")
    what = "a dry run: every Job runs at once" if dry_run else "Jobs are deferred"
    say.tell(f"working as {identity} ({what}); Ctrl-C ends this, and no Job")
    process.run()


def _stop_on_signals(stop: Event, process: Process) -> None:
    def stopped(_signal: int, _frame: Any) -> None:
        stop.set()
        process.wake()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopped)


def _ledger(place: Path | None, identity: str, metrics: Metrics, *, dry_run: bool) -> Path | None:
    """Return the ledger of this replica, made if need be; that of dry runs is one of its own.

    Its public key is told at each start. Raises where it cannot be written.
    """
    if place is None:
        return None
    from greensched.ledger import Ledger, init_ledger

    kind = "simulated" if dry_run else "operated"
    place = place.with_name(f"{place.name}-dry-run") if dry_run else place
    if not place.exists():
        init_ledger(place, f"greensched-controller/{identity}", kind)
        say.tell(f"a ledger is made: {place}")
    with Ledger(place) as opened:
        if opened.kind != kind:
            what = f"holds {opened.kind} entries; here they are {kind}"
            raise UsageError(Finding(where=str(place), what=what, remedy="name another"))
        say.tell(f"ledger {place}, its public key {opened.verifier_key}")
        metrics.tell_ledger(opened.verifier_key)
    return place


@click.command(name="release-overdue")
@cluster_options
@form("table", "json")
@verbosity
def overdue(kubeconfig: Path | None, context: str | None, namespace: str, form: str) -> None:
    """Let run every Job that must not wait any longer, whether the controller lives or not."""
    from greensched.controller.overdue import release_overdue

    cluster = connected(kubeconfig, context)
    _print_outcome(release_overdue(cluster, clock_ms, namespace), form)


@click.command(name="release-all")
@cluster_options
@click.confirmation_option(prompt="Let run everything that waits, at once?")
@form("table", "json")
@verbosity
def everything(kubeconfig: Path | None, context: str | None, namespace: str, form: str) -> None:
    """Let run everything that waits, also what hold-until keeps; before taking us away."""
    from greensched.controller.overdue import release_all

    cluster = connected(kubeconfig, context)
    _print_outcome(release_all(cluster, clock_ms, namespace), form)


def _print_outcome(found: Outcome, form: str) -> None:
    """Print what was let run; raises OutsideError with what was refused."""
    from greensched.cli.carbon import printed

    rows: list[list[Any]] = [[job.namespace, job.name, why] for job, why in found.released]
    if rows or form != "table":
        click.echo(printed(["namespace", "job", "why"], rows, form), nl=False)
    else:
        say.tell("nothing had to be let run")
    if found.failed:
        raise OutsideError(
            *(
                Finding(where=job.key, what=finding.what, remedy="it is tried again next time")
                for job, error in found.failed
                for finding in error.findings
            )
        )
