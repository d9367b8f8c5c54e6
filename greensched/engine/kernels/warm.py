"""Compile the kernels before the first run: three processes, one for each part of the code.

numba compiles one function at a time within a process. The parts share little but sources, so two
more processes compile what is rare and forecasts, and the loops of policies, while this one
compiles the data plane; all end up in the cache.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from typing import Any

from numba import boolean, float64, int64

from greensched.compiling import COMPILED, is_cached
from greensched.engine.kernels import advance, control, latency, sight
from greensched.forecast import kernels as forecasts
from greensched.policies import kernels as policies

_PAGES = int64  # an address
_NUMBERS: Any = int64[::1]
_TABLE: Any = float64[::1]
ENTRIES = ("advance.advance", "control.control", "sight.replicas", "machines.spare")
_ALONE = "from greensched.engine.kernels import warm; warm.{}()"  # in a process of its own


def compile_advance() -> None:
    """Compile the data plane and latency, or load them from the cache."""
    advance.advance.compile((_PAGES, _PAGES, int64, int64))
    planes: Any = int64[:, ::1]
    latency.fill.compile((planes, planes, _NUMBERS, _NUMBERS, _TABLE, *2 * (float64[:, ::1],)))


def compile_control() -> None:
    """Compile what is rare, sight and forecasts, or load them from the cache."""
    control.control.compile(
        (_PAGES, _PAGES, int64, *3 * (_NUMBERS,), int64, int64, float64, boolean, _TABLE)
    )
    sight.columns.compile((_PAGES, _NUMBERS, _TABLE, _TABLE, _NUMBERS, int64))
    sight.replicas.compile((_PAGES, *3 * (_NUMBERS,)))
    forecasts.compile_all()


def compile_loops() -> None:
    """Compile the loops of policies, or load them from the cache."""
    policies.compile_all()


def is_compiled() -> bool:
    """Say whether the kernels have been compiled before, so that a run starts at once."""
    return is_cached(*ENTRIES)


def ensure() -> None:
    """Have the kernels compiled; at once where they have been compiled before."""
    if not COMPILED or advance.advance.overloads:
        return
    if is_compiled():
        return  # loaded from the cache when they are first called
    parts, others = (compile_control, compile_loops), ExitStack()
    with others:
        for part in parts:
            command = [sys.executable, "-c", _ALONE.format(part.__name__)]
            others.enter_context(
                subprocess.Popen(  # noqa: S603 our own interpreter and words
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        compile_advance()
    for part in parts:
        part()  # from the cache; here, should the other process have failed
