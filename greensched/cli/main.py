"""The root of the command line: its commands, and what becomes of errors."""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from greensched.cli import say
from greensched.cli.interrupt import INTERRUPTED, noted_interrupts
from greensched.cli.lazy import LazyGroup
from greensched.errors import GreenschedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERNAL_ERROR: Final = 70
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # of a disk, or of stdout
COMMANDS: Final = {
    "demo": ("greensched.cli.running:demo", "Replay the bundled week and write its report."),
    "init": ("greensched.cli.scenarios:init", "Write a scenario that runs as it is."),
    "validate": ("greensched.cli.scenarios:validate", "Check a scenario and its data."),
    "run": ("greensched.cli.running:run", "Run a scenario against its baseline."),
    "compare": ("greensched.cli.reporting:compare", "Show two results side by side."),
    "calibrate": (
        "greensched.cli.calibrate:calibrate",
        "Fit the power model to what meters read.",
    ),
    "attribute": ("greensched.cli.attribute:attribute", "Tell which technology saves what."),
    "sensitivity": (
        "greensched.cli.sensitivity:sensitivity",
        "Tell how sure a scenario's figures are.",
    ),
    "size": ("greensched.cli.size:size", "Tell how many machines a scenario needs."),
    "sweep": ("greensched.cli.sweep:sweep", "Run a scenario over grids of values."),
    "shift": ("greensched.cli.shift:shift", "Tell what shifting jobs in time would save."),
    "inverse": (
        "greensched.cli.inverse:inverse",
        "Invert a reported saving: which fleet, how busy.",
    ),
    "reproduce": ("greensched.cli.reproduce:reproduce", "Compute published results again."),
    "disclose": ("greensched.cli.disclose:disclose", "Write a year's emissions statement."),
    "export": ("greensched.cli.export:export", "Write manifests of what a run decided."),
    "verify": ("greensched.cli.verify:verify", "Compare a prediction with what came, by cause."),
    "explain": ("greensched.cli.explain:explain", "Follow a figure of a result to its rows."),
    "report": ("greensched.cli.reporting:report", "Render a result again."),
    "serve": ("greensched.cli.serve:serve", "Show live what waits, saves and is wrong."),
    "batch": ("greensched.cli.batch:batch", "Run jobs of this machine when the grid is clean."),
    "controller": (
        "greensched.cli.controller:controller",
        "Defer Kubernetes Jobs to clean hours.",
    ),
    "ledger": ("greensched.cli.ledger:ledger", "Keep entries where every later change is seen."),
    "trace": ("greensched.cli.traces:trace", "Import, inspect and generate traces."),
    "bill": ("greensched.cli.bill:bill", "Show machine-hours and cost of a FOCUS bill."),
    "carbon": ("greensched.cli.carbon:carbon", "Intensity: fetch, show, plan, limits."),
    "schema": ("greensched.cli.scenarios:schema", "Print the JSON Schema of a file."),
    "doctor": ("greensched.cli.doctor:doctor", "Check this installation."),
    "completion": ("greensched.cli.completion:completion", "Print a shell's completion script."),
}


class Root(LazyGroup):
    """The root; it turns every error into lines on stderr and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 click's own signature
        **extra: Any,
    ) -> Any:
        """Run a command; exit codes are those of `docs/reference/outputs.md`."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        sys.exit(self._guarded(args, prog_name, complete_var, extra))

    def _guarded(
        self,
        args: Sequence[str] | None,
        prog_name: str | None,
        complete_var: str | None,
        extra: dict[str, Any],
    ) -> int:
        """Return the exit code of a command, its errors told."""
        began_s = time.monotonic()
        try:
            with noted_interrupts():
                code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            after = f"after {time.monotonic() - began_s:.1f} s"
            click.echo(f"interrupted {after}; nothing is left half-written", err=True)
            return INTERRUPTED
        except GreenschedError as error:
            return _told(error)
        except OSError as error:
            return _unwritten(error)
        except Exception as error:  # noqa: BLE001 the last line of defence
            return _unexpected(error)
        return code if isinstance(code, int) else 0


def _unwritten(error: OSError) -> int:
    """Return the exit code where output has nowhere to go, the reason told; else it is a bug."""
    if error.errno not in (errno.EPIPE, *FULL):
        return _unexpected(error)
    # What is still buffered would fail again when it is flushed at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 1  # the reader of our output went away
    click.echo(f"the output cannot be written: {error.strerror}", err=True)
    return UsageError.exit_code


def _told(error: GreenschedError) -> int:
    """Print an error that was raised on purpose; return its exit code."""
    if error.exit_code == INTERNAL_ERROR:
        return _unexpected(error)
    say.findings(error)
    if say.level() >= say.DEBUG:
        _traceback(error)
    return error.exit_code


def _unexpected(error: Exception) -> int:
    """Print that we have a bug, in one line; the traceback only with -vv."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    more = "" if say.level() >= say.DEBUG else " (-vv shows where)"
    click.echo(f"internal error: {what}; please report it{more}", err=True)
    if say.level() >= say.DEBUG:
        _traceback(error)
    return INTERNAL_ERROR


def _traceback(error: Exception) -> None:
    """Print where an error came from."""
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


@click.group(
    cls=Root,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="greensched", prog_name="greensched")
def main() -> None:
    """Replay a cluster trace before and after: machines, kWh and kgCO2e, at equal service.

    Data goes to stdout, narration to stderr. Exit codes: 0 done; 1 a gate failed; 2 usage or
    scenario; 3 bad data; 4 an outside system refused; 70 our bug; 130 interrupted.
    """
