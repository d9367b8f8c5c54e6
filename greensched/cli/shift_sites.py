"""What `shift` is told of other sites: zones, what moving a job takes, who may go where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from greensched.cli.options import stack
from greensched.cli.shift_terms import CORES_MAX
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.shift import Moving

site_options = stack(
    click.option(
        "--site",
        "sites",
        multiple=True,
        metavar="ZONE[:CORES]",
        help="Jobs may run there too: adds plan-sites. CORES cap it under a cap (else as many as "
        "at home); may be repeated.",
    ),
    click.option("--data", metavar="SIZE", help="Of each job, which moves with it.  [0 GiB]"),
    click.option("--transfer-energy", metavar="ENERGY", help="Such as 0.06 kWh/GiB.  [none]"),
    click.option("--transfer-rate", metavar="RATE", help="Such as 100 MB/s.  [at once]"),
    click.option(
        "--allowed",
        multiple=True,
        metavar="QUEUE:ZONE,..",
        help="Where jobs of a queue may go, nowhere if empty; may be repeated.  [anywhere]",
    ),
)


def read_sites(given: dict[str, Any]) -> tuple[dict[str, int], Moving]:
    """Return the zones with their caps [thousandths of a core], and what moving takes.

    Raises UsageError with all that cannot be.
    """
    findings: list[Finding | str] = []
    zones = _zones(given, findings)
    values = {
        name: _quantity(option, given[option], findings)
        for option, name in (
            ("data", "data_gib"),
            ("transfer_energy", "kwh_per_gib"),
            ("transfer_rate", "ms_per_gib"),
        )
        if given[option] is not None
    }
    allowed = _allowed(given["allowed"], zones, findings)
    used = [
        name for name in ("data", "transfer_energy", "transfer_rate", "allowed") if given[name]
    ]
    if given["sites"] and not given["zone"]:
        what, remedy = "needs the home's zone", "name it with --zone"
        findings.append(Finding(where="--site", what=what, remedy=remedy))
    if used and not given["sites"]:
        where = ", ".join(f"--{name.replace('_', '-')}" for name in used)
        findings.append(Finding(where=where, what="without --site", remedy="name a site"))
    if findings:
        raise UsageError(*findings)
    from greensched.shift import Moving

    return zones, Moving(**{k: v for k, v in values.items() if v is not None}, allowed=allowed)


def _zones(given: dict[str, Any], findings: list[Finding | str]) -> dict[str, int]:
    """Return each site's cap, NONE where it has no own one."""
    from greensched.model import NONE
    from greensched.units import CPU_M_PER_CORE

    zones: dict[str, int] = {}
    for text in given["sites"]:
        zone, _, cores = text.partition(":")
        what = ""
        if not zone:
            what = "names no zone"
        elif zone == given["zone"]:
            what = "is the home already"
        elif zone in zones:
            what = "is there twice"
        try:
            many = float(cores or 0)
        except ValueError:
            many = 0.0
        cap = NONE if not cores else round(many * CPU_M_PER_CORE) if many <= CORES_MAX else 0
        if cores and cap < 1:
            what = f"{cores!r} is no number of cores above 0, or too large"
        if what:
            remedy = "such as FR, or FR:200"
            findings.append(Finding(where=f"--site {text}", what=what, remedy=remedy))
        zones[zone] = cap
    return zones


def _quantity(option: str, text: str, findings: list[Finding | str]) -> float | None:
    """Return an option's quantity, a finding where it is none or below 0."""
    from greensched.scenario.quantity import Kind, QuantityError, convert
    from greensched.units import MS_PER_S

    kinds: dict[str, tuple[Kind, Callable[[float], float]]] = {
        "data": (Kind(name="size", unit="GiB", example="10 GiB"), lambda v: v),
        "transfer_energy": (
            Kind(name="energy for data", unit="kWh/GiB", example="0.06 kWh/GiB"),
            lambda v: v,
        ),
        "transfer_rate": (
            Kind(name="rate", unit="GiB/s", example="100 MB/s"),
            lambda v: MS_PER_S / v,
        ),
    }
    kind, convert_to = kinds[option]
    where = f"--{option.replace('_', '-')} {text}"
    try:
        value = convert(text, kind)
    except QuantityError as error:
        findings.append(Finding(where=where, what=error.what, remedy=error.remedy))
        return None
    if value < 0 or (option == "transfer_rate" and value == 0):
        findings.append(Finding(where=where, what="must be above 0", remedy=kind.example))
        return None
    return convert_to(value)


def _allowed(
    texts: tuple[str, ...], zones: dict[str, int], findings: list[Finding | str]
) -> dict[str, frozenset[str]]:
    """Return the zones to which jobs of each queue that is named may go."""
    allowed: dict[str, frozenset[str]] = {}
    for text in texts:
        queue, colon, names = text.partition(":")
        wanted = frozenset(name.strip() for name in names.split(",") if name.strip())
        unknown = ", ".join(sorted(wanted - set(zones)))
        if not colon:
            what = "is not QUEUE:ZONE,.."
        elif unknown:
            what = f"{unknown} is no --site"
        elif queue in allowed:
            what = "is there twice"
        else:
            allowed[queue] = wanted
            continue
        remedy = "such as long:FR,SE, or short: to stay at home"
        findings.append(Finding(where=f"--allowed {text}", what=what, remedy=remedy))
    return allowed
