"""`export`: what a run decided, as manifests to review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from greensched.cli import say
from greensched.cli.options import verbosity
from greensched.errors import plural

if TYPE_CHECKING:
    from greensched.export.decided import Decided

TARGETS = ("hpa", "keda-cron", "kube-green", "koordinator", "carbonpolicy")


@click.command()
@click.argument("result", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", "target", required=True, type=click.Choice(TARGETS), help="The target.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the manifests are written.  [default: they are printed]",
)
@click.option(
    "--time-zone",
    metavar="ZONE",
    default="",
    help="IANA name for schedules.  [default: the window's offset, as Etc/GMT-8]",
)
@click.option(
    "--provider",
    metavar="NAME",
    default="",
    help="For carbonpolicy: what the controller calls its source of intensity.",
)
@verbosity
def export(result: Path, target: str, out: Path | None, time_zone: str, provider: str) -> None:
    """Write what RESULT decided as manifests of what you operate; read them before you apply them.

    What the target cannot express is listed in the file and on stderr. Nothing is applied.
    """
    from greensched.export import export as exported
    from greensched.export.written import written

    made = exported(_decided(result, time_zone, provider), target)
    text = written(made)
    if out is None:
        click.echo(text, nl=False)
    else:
        from greensched.report.outputs import write_texts

        write_texts(out.parent, {out.name: text})
        say.tell(f"written   {out} ({plural(len(made.documents), 'document')})")
    for line in made.not_expressed:
        say.tell(f"not expressed: {line}")


def _decided(result: Path, time_zone: str, provider: str) -> Decided:
    """Return what the result decided."""
    from greensched.export.decided import Decided
    from greensched.report.outputs import read_result
    from greensched.scenario import loads

    stored = read_result(result)
    return Decided(
        scenario=loads(stored.manifest["scenario"], "scenario.yaml"),
        replicas=stored.table("replicas"),
        jobs=stored.table("jobs"),
        time_zone=time_zone,
        provider=provider,
    )
