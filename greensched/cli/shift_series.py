"""Where `shift` has its intensity from: a file, a factor, or what any source measured."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from greensched.cli.carbon_options import fill_option
from greensched.cli.options import stack
from greensched.errors import DataError, Finding, UsageError

if TYPE_CHECKING:
    from greensched.carbon import CarbonIntensity
    from greensched.providers.points import Points, Provider, Settings

series_options = stack(
    click.option(
        "--intensity",
        required=True,
        metavar="SOURCE",
        help="A file, a folder, bundled:NAME, data:PATH, constant:G_PER_KWH, profile:G_PER_KWH, "
        "or a source of measured values: uk-carbon-intensity, electricity-maps, watttime, "
        "carbon-aware-sdk:URL, prometheus:URL.",
    ),
    click.option("--zone", metavar="ZONE", help="Which one; never assumed."),
    click.option(
        "--from",
        metavar="TIME",
        help="The instant of the trace's zero.  [default: as the trace says]",
    ),
    click.option(
        "--time-zone",
        default="UTC",
        show_default=True,
        metavar="ZONE",
        help="Of times in files and --from that state none.",
    ),
    fill_option,
    click.option("--forecast", metavar="SOURCE", help="What policies see.  [default: what came]"),
    click.option("--marginal", metavar="SOURCE", help="Marginal intensity, accounted as well."),
    click.option(
        "--signal",
        type=click.Choice(["average", "marginal"]),
        help="Of a source that does not say.",
    ),
    click.option("--unit", default="g/kWh", show_default=True, help="Of values that state none."),
    click.option(
        "--query", metavar="PROMQL", default="", help="For prometheus; $zone in it is the zone."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A series that an option names, over `[from_ms, until_ms)`, which the jobs may use.

    Files are read as a whole.
    """

    option: str
    source: str
    settings: Settings
    from_ms: int
    until_ms: int

    def read(self, zone: str | None) -> CarbonIntensity:
        """Return the series of a zone.

        Raises UsageError for what is no source, DataError for one that has gaps or no values, and
        what the source raises.
        """
        from greensched import registry
        from greensched.providers import constant, files
        from greensched.scenario.quantity import INTENSITY, QuantityError, convert

        try:
            return constant.constant(zone or "constant", convert(self.source, INTENSITY))
        except QuantityError:
            pass
        try:
            source = registry.source(self.source, self.settings)
        except UsageError as error:
            at = f"{self.option} {self.source}"
            raise UsageError(*(replace(found, where=at) for found in error.findings)) from None
        if isinstance(source, constant.Constant):
            return constant.constant(zone or "constant", source.annual_g_per_kwh)
        if not zone:
            known = files.zones(source.path) if isinstance(source, files.Files) else ()
            what = "no zone was named, and none is ever assumed"
            remedy = f"zones: {', '.join(known) or 'they have no names there: give one'}"
            raise UsageError(Finding(where="--zone", what=what, remedy=remedy))
        if isinstance(source, files.Files):
            given = self.settings
            return files.read(
                source.path, zone, time_zone=given.time_zone, fill=given.fill, unit=given.unit
            )
        return self._measured(source, zone)

    def _measured(self, source: Provider, zone: str) -> CarbonIntensity:
        """Return what a source measured; a made-up profile stands for itself."""
        from greensched.carbon import from_samples
        from greensched.providers.gates import judged
        from greensched.providers.points import Query
        from greensched.providers.web import Web

        now_ms = int(time.time() * 1_000)
        query = Query(zone=zone, from_ms=self.from_ms, until_ms=self.until_ms, now_ms=now_ms)
        with Web.open() as web:
            points = source.actual(query, web) if source.live else source.forecast(query, web)
        good, notes = judged(points, live=source.live, now_ms=now_ms)
        if not len(good):
            raise DataError(_no_values(source, points, notes))
        series = from_samples(
            zone,
            good.start_ms,
            good.values_g_per_kwh,
            fill=self.settings.fill,
            labels=replace(good.labels, source=good.labels.source or source.name),
        )
        return replace(series, findings=(*notes, *series.findings))


def _no_values(source: Provider, points: Points, notes: tuple[str, ...]) -> Finding:
    """Return what a source that has nothing to give has said."""
    said = "; ".join((*points.notes, *notes))
    what = "measured nothing in this span" + (f": {said}" if said else "")
    remedy = "a study needs the past: move --from, or take another source"
    return Finding(where=f"{source.name}, zone {points.zone}", what=what, remedy=remedy)
