"""The root of the command line."""

from __future__ import annotations

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="greensched", prog_name="greensched")
def main() -> None:
    """Replay a cluster trace before and after: machines, kWh and kgCO2e, at equal service."""
