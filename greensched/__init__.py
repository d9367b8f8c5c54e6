"""Replay a cluster trace before and after, and account for machines, energy and carbon.

    import greensched as gs

    sc = gs.load("scenario.yaml")
    res = gs.run(sc)

The names are imported when asked for, so that `import greensched` stays light.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own is imported by typing, which every command would wait for
if TYPE_CHECKING:
    from typing import Any

    from greensched.experiment.attribute import attribute
    from greensched.experiment.comparison import compare
    from greensched.experiment.run import run
    from greensched.experiment.sensitivity import sensitivity
    from greensched.experiment.size import size
    from greensched.experiment.sweep import sweep
    from greensched.scenario import load

    __version__: str
    charts: Any  # of a layer above those that import this: by name alone
    headline: Any

# Public name -> the module that has it.
_HOMES: dict[str, str] = {
    "charts": "greensched.report.charts.result",
    "headline": "greensched.report.heading",
    "load": "greensched.scenario",
    "run": "greensched.experiment",
    "compare": "greensched.experiment",
    "attribute": "greensched.experiment.attribute",
    "sensitivity": "greensched.experiment.sensitivity",
    "size": "greensched.experiment.size",
    "sweep": "greensched.experiment.sweep",
}

__all__ = [
    "__version__",
    "attribute",
    "charts",
    "compare",
    "load",
    "run",
    "sensitivity",
    "size",
    "sweep",
]


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("greensched")
    if name in _HOMES:
        found: object = getattr(import_module(_HOMES[name]), name)
        return found
    raise AttributeError(f"module 'greensched' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted({*globals(), *__all__})
