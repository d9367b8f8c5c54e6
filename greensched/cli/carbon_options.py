"""Options of the commands that ask for intensity, and the question that they make."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click

from greensched.cli import say
from greensched.cli.options import stack
from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greensched.carbon import Fill
    from greensched.providers.chain import Answer
    from greensched.providers.points import Provider, Settings

SPAN_MAX_MS: Final = 100 * MS_PER_YEAR
VARIABLE: Final = "GREENSCHED_INTENSITY"
MS_IN: Final = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
PLAIN_DURATION: Final = re.compile(rf"(\d{{1,6}}) ?({'|'.join(MS_IN)})", re.ASCII)
INTENSITY_HELP: Final = (
    "Where intensity comes from: a file, a folder, or NAME[:ADDRESS] of a source "
    "(uk-carbon-intensity, electricity-maps, watttime, carbon-aware-sdk:URL, prometheus:URL, "
    "constant:G_PER_KWH, profile:G_PER_KWH, bundled:three-zones, data:PATH). Several are asked "
    f"in this order.  [default: ${VARIABLE}, separated by blanks]"
)


def duration_ms(ctx: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Return a duration such as `2h` or `90 min` in ms; above 0, with its unit."""
    if text is None:
        return None
    plain = PLAIN_DURATION.fullmatch(text)
    if plain and int(plain[1]):
        return int(plain[1]) * MS_IN[plain[2]]  # what needs no reader of units, which takes long
    from greensched.scenario.quantity import DURATION, QuantityError, convert_integer

    try:
        value = convert_integer(text, DURATION)
    except QuantityError as error:
        raise click.BadParameter(str(error), ctx, option) from None
    if value <= 0:
        what = f"{text!r} is not above 0"
        raise click.BadParameter(what, ctx, option)
    if value > SPAN_MAX_MS:
        what = f"{text!r} is over 100 years"
        raise click.BadParameter(what, ctx, option)
    return value


def filling(ctx: click.Context, option: click.Parameter, text: str | None) -> Fill | None:
    """Return `hold` or `interpolate:24h` as a fill; raises BadParameter for anything else."""
    if text is None:
        return None
    from greensched.carbon import Fill

    kind, _, longest = text.partition(":")
    kinds = {"hold": Fill(kind="hold"), "interpolate": Fill(kind="interpolate")}
    if kind not in kinds:
        what = f"{kind!r} is neither hold nor interpolate"
        raise click.BadParameter(what, ctx, option)
    longest_ms = duration_ms(ctx, option, longest or None)
    return kinds[kind] if longest_ms is None else replace(kinds[kind], longest_ms=longest_ms)


time_zone_option = click.option(
    "--time-zone", metavar="ZONE", help="Of times in files that state none, such as UTC."
)
fill_option = click.option(
    "--fill",
    metavar="KIND[:LONGEST]",
    callback=filling,
    help="What gaps in files become: hold or interpolate, up to 6 h or so long (hold:24h).",
)
source_options = stack(
    click.option("--intensity", "texts", multiple=True, metavar="SOURCE", help=INTENSITY_HELP),
    click.option("--signal", type=click.Choice(["average", "marginal"]), help="Of the source."),
    click.option("--unit", default="g/kWh", show_default=True, help="Of values that state none."),
    click.option(
        "--query", metavar="PROMQL", default="", help="For prometheus; $zone in it is the zone."
    ),
    time_zone_option,
    fill_option,
)
chain_options = stack(
    source_options,
    click.option("--from", "from_text", metavar="TIME", help="Instead of now, with its offset."),
    click.option("--no-cache", is_flag=True, help="Ask anew, and keep no answer."),
)


def settings_of(given: dict[str, Any]) -> Settings:
    """Return what the user said of his sources."""
    from greensched.providers.points import Settings

    return Settings(
        signal=given["signal"],
        unit=given["unit"],
        query=given["query"],
        time_zone=given["time_zone"],
        fill=given["fill"],
    )


def sources_of(texts: Sequence[str], settings: Settings) -> list[Provider]:
    """Return the sources asked for; raises UsageError with all that are none, or for none."""
    from greensched import registry

    texts = texts or os.environ.get(VARIABLE, "").split()
    if not texts:
        remedy = (
            f"--intensity FILE, or the name of a source such as uk-carbon-intensity (Great "
            f"Britain, no token needed); or set ${VARIABLE}"
        )
        raise UsageError(Finding(where="--intensity", what="no source is named", remedy=remedy))
    found: list[Provider] = []
    findings: list[Finding] = []
    for text in texts:
        try:
            found.append(registry.source(text, settings))
        except UsageError as error:
            findings += error.findings
    findings += unasked(settings.query, [source.name for source in found])
    if findings:
        raise UsageError(*findings)
    return found


def unasked(query: str, sources: Iterable[str]) -> list[Finding]:
    """Return what is wrong with a query that none of the sources, by their names, takes."""
    if not query or "prometheus" in sources:
        return []
    what, remedy = "no source takes one", "name prometheus:URL, or leave it out"
    return [Finding(where=f"--query {query}", what=what, remedy=remedy)]


def check_zones(sources: Sequence[Provider], zone: str) -> None:
    """Raise DataError where a file names zones and `zone` is none of them: a mistake, no gap."""
    from greensched.providers.file_layout import no_zone
    from greensched.providers.files import Files, zones

    for source in sources:
        known = zones(source.path) if isinstance(source, Files) else ()
        if known and zone not in known:
            raise no_zone(source.place, zone, known)


def now_ms(from_text: str | None) -> int:
    """Return the instant to begin at [ms since 1970 UTC]: what was asked for, or now."""
    if from_text is None:
        return int(time.time() * 1_000)
    from greensched.providers.points import instant_ms

    try:
        return instant_ms(from_text)
    except ValueError as error:
        remedy = "such as 2026-03-01T08:00Z or 2026-03-01T08:00+01:00"
        raise UsageError(Finding(where="--from", what=str(error), remedy=remedy)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A zone and a span ahead, as asked on the command line."""

    zone: str
    ahead_ms: int
    given: dict[str, Any]

    def answer(self) -> Answer:
        """Return what the sources know of the span, as from now or `--from`."""
        from greensched.providers.cache import Cache, cache_folder
        from greensched.providers.chain import ask
        from greensched.providers.points import Query
        from greensched.providers.web import Web

        sources = sources_of(self.given["texts"], settings_of(self.given))
        check_zones(sources, self.zone)
        at_ms = now_ms(self.given["from_text"])
        query = Query(zone=self.zone, from_ms=at_ms, until_ms=at_ms + self.ahead_ms, now_ms=at_ms)
        # Answers are kept for who asks of now; those of another day would mislead him.
        kept = None if self.given["no_cache"] or self.given["from_text"] else cache_folder()
        if any(source.live for source in sources):
            say.tell(f"asking {', '.join(source.name for source in sources)}", at=say.VERBOSE)
        with Web.open() as web:
            found = ask(sources, query, web, Cache(folder=kept))
            if found.series is None:
                # A feed that fails is no mistake of the user's; a file that cannot be read is.
                for source in (source for source in sources if not source.live):
                    source.forecast(query, web)
        return found
