"""`doctor`: is this installation able to work?"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from greensched.cli.options import form, verbosity

PYTHON_MIN = (3, 11)


@click.command()
@form("table", "json")
@verbosity
@click.pass_context
def doctor(ctx: click.Context, form: str) -> None:
    """Check Python, packages, caches, kernels, samples, data and ledger; exit 1 on a fault."""
    from greensched.report.outputs import json_text

    checks = _checks()
    if form == "json":
        click.echo(json_text({"checks": checks}), nl=False)
    else:
        for check in checks:
            click.echo(f"{'ok ' if check['ok'] else 'BAD'}  {check['check']:18} {check['found']}")
    if not all(check["ok"] for check in checks):
        ctx.exit(1)


def _check(name: str, found: Any, *, ok: bool = True) -> dict[str, Any]:
    return {"check": name, "ok": ok, "found": str(found)}


def _checks() -> list[dict[str, Any]]:
    """Return what was looked at; `ok` is false only for what keeps runs from working."""
    from greensched.compiling import CACHE_FOLDER
    from greensched.engine.kernels.warm import is_compiled
    from greensched.readers.resolve import cache_folder
    from greensched.report.outputs import versions

    found = versions()
    python = found.pop("python")
    checks = [_check("python", python, ok=sys.version_info >= PYTHON_MIN)]
    checks += [_check(name, v, ok=v != "not installed") for name, v in found.items()]
    for name, folder in (("trace cache", cache_folder()), ("kernel cache", CACHE_FOLDER)):
        writable = _writable(folder)
        note = "" if writable else " cannot be written: traces and kernels are made anew each time"
        checks.append(_check(name, f"{folder}{note}", ok=writable))
    compiled = "compiled" if is_compiled() else "not yet compiled: about 20 s, once"
    checks.append(_check("kernels", compiled))
    checks.append(_bundled())
    root = os.environ.get("GREENSCHED_DATA", "")
    data = root or "$GREENSCHED_DATA is not set: only needed for data: paths"
    there = not root or Path(root).is_dir()
    checks.append(_check("data", data if there else f"{root} is no folder", ok=there))
    checks.append(_ledger())
    checks.append(_check("processors", os.cpu_count() or "unknown"))
    return checks


def _writable(folder: Path) -> bool:
    """Tell whether a file can be made in `folder`, which may not be there yet."""
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _ledger() -> dict[str, Any]:
    """Return whether the user's own ledger, where there is one, can be appended to."""
    from greensched.errors import GreenschedError
    from greensched.ledger import Ledger, default_ledger

    place = default_ledger()
    if not place.exists():
        return _check("ledger", f"none at {place}: `greensched ledger init` makes one")
    try:
        with Ledger(place) as opened:
            return _check("ledger", f"{place} ({opened.origin}, {opened.kind})")
    except GreenschedError as error:
        return _check("ledger", error, ok=False)


def _bundled() -> dict[str, Any]:
    """Return whether the samples are there."""
    from greensched.errors import GreenschedError
    from greensched.readers.bundled import BUNDLED, bundled_path

    try:
        folder = {str(bundled_path(name).parent) for name in BUNDLED}
    except GreenschedError as error:
        return _check("bundled samples", error, ok=False)
    return _check("bundled samples", ", ".join(sorted(folder)))
