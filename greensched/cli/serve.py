"""`serve`: the live control centre on a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from greensched.cli import say
from greensched.cli.carbon_options import settings_of, source_options, sources_of
from greensched.cli.options import verbosity
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from greensched.serve.look import Watch


PORT: Final = 8017
FILE: Final = click.Path(dir_okay=False, path_type=Path)
THERE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("places", metavar="[RESULT-OR-LEDGER]...", nargs=-1)
@click.option("--target", metavar="MASS", help="To be saved a day, such as 500g or 2kg.")
@click.option("--key", metavar="VKEY", help="Public key of the ledgers, or its file.")
@click.option("--zone", metavar="ZONE", help="Of the intensity that is shown.")
@source_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=PORT,
    show_default=True,
    help="0: any that is free.",
)
@click.option("--name", "names", multiple=True, metavar="NAME", help="That browsers reach it by.")
@click.option("--token-file", type=FILE, help="Secret that logins are made with; made if absent.")
@click.option("--tls-cert", "certificate", type=THERE, help="Certificate, PEM.")
@click.option("--tls-key", "key_file", type=THERE, help="Its private key, PEM.")
@click.option("--login", is_flag=True, help="Serve nothing: print another one-time address.")
@verbosity
def serve(
    places: tuple[str, ...],
    target: str | None,
    key: str | None,
    zone: str | None,
    login: bool,  # noqa: FBT001 click passes flags by name
    **given: Any,
) -> None:
    """Show live what waits, why and until when, what was saved today, and what is wrong.

    Watches folders of results, ledgers that grow, queues of the batch runner and controllers
    (http://HOST:PORT/metrics); without any the user's own queue and ledger. Changes nothing. Only
    this machine can look, unless --host says otherwise; then whoever has a login address can.
    """
    _check_installed()
    from greensched.serve.server import Where, login_address
    from greensched.serve.server import serve as served

    where = Where(
        host=given["host"],
        port=given["port"],
        names=given["names"],
        token_file=given["token_file"],
        certificate=given["certificate"],
        key=given["key_file"],
    )
    if login:
        click.echo(login_address(where))
        return
    from greensched.serve.hub import Hub

    target_g = None if target is None else _grams(target)
    hub = Hub(_watches(places, key, zone, given), target_g)
    served(hub, where, say.tell)


def _check_installed() -> None:
    """Raise UsageError where the extra is not installed."""
    from importlib.util import find_spec

    needed = ("starlette", "uvicorn", "jinja2", "prometheus_client")
    if missing := [name for name in needed if find_spec(name) is None]:
        what = f"needs {', '.join(missing)}"
        raise UsageError(
            Finding(where="serve", what=what, remedy="pip install 'greensched[serve]'")
        )


def _grams(text: str) -> float:
    """Return a mass in g; raises UsageError where it is none."""
    from greensched.scenario.quantity import Kind, QuantityError, convert

    try:
        value = convert(text, Kind(name="mass", unit="g", example="2 kg"))
    except QuantityError as error:
        raise UsageError(Finding(where="--target", what=str(error))) from None
    if value <= 0:
        raise UsageError(Finding(where="--target", what=f"{text!r} is not above 0"))
    return value


def _watches(
    places: tuple[str, ...], key: str | None, zone: str | None, given: dict[str, Any]
) -> list[Watch]:
    """Return what is to be watched; raises UsageError with all that cannot be."""
    from greensched.cli.ledger_checks import public_key
    from greensched.serve.watch import watches_of
    from greensched.serve.watch.intensity import IntensityWatch

    found = watches_of(places, None if key is None else public_key(key))
    if zone is None and given["texts"]:
        raise UsageError(Finding(where="--intensity", what="is of a zone", remedy="name --zone"))
    if zone is not None:
        found.append(IntensityWatch(zone, sources_of(given["texts"], settings_of(given))))
    return found
