"""How loops are compiled: inner ones are linked into entries, with the same results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from greensched.compiling import COMPILED, LINKING, inner
from greensched.compiling.linking import ENTERING

ROOT = Path(__file__).resolve().parents[1]
CASE = """
from greensched.compiling import LINKING, entry, inner
@inner
def product(x, y):
    return x * y
@inner
def power(x, n):
    result = 1.0
    for _ in range(n):
        result = product(result, x)
    return result
@entry
def series(x, n):
    total = 0.0
    for i in range(n):
        total += power(x, i)
    return total
print(len(LINKING), series(0.5, 20).hex())
"""
WITHOUT = """
from numba.core.codegen import JITCodeLibrary
hidden = JITCodeLibrary._optimize_final_module
del JITCodeLibrary.__mro__[1]._optimize_final_module
import greensched.compiling
JITCodeLibrary.__mro__[1]._optimize_final_module = hidden
"""


def _printed(folder: Path, *parts: str) -> list[str]:
    """Run the parts as one program, in a file since numba caches only what a file holds."""
    program = folder / "program.py"
    program.write_text("\n".join(parts))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder),
        "NUMBA_DISABLE_JIT": "0",
    }
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.split()


def test_the_locked_numba_links_inner_loops() -> None:
    """With the numba of the locks inner functions are linked, not finished one by one."""
    assert {"pipeline_class"} == set(LINKING) == set(ENTERING)


def test_flags_are_equal_where_numba_says_so() -> None:
    """Flags compared by what was set are equal to those of equal values, and to no others."""
    from numba.core.compiler import Flags

    from greensched.compiling import linking

    ours_of: Any = linking._Flags
    plain: Any = Flags()
    ours, other = ours_of(), ours_of()
    assert ours == other == plain == ours
    assert hash(ours) == hash(plain)
    other.nrt = True
    assert ours != other
    assert plain != other
    ours.nrt, plain.nrt, ours.no_compile = True, True, False  # the last is as if it were not set
    assert plain == ours == other == plain
    assert hash(ours) == hash(plain)


def test_an_inner_loop_has_no_machine_code_of_its_own() -> None:
    """An inner function cannot be run from Python: only entries become machine code."""
    if not COMPILED:
        return

    def twice(x: int) -> int:
        return 2 * x

    doubled = inner(twice)

    doubled.compile("(int64,)")
    (made,) = doubled.overloads.values()
    assert "_Linkable" == type(made.library).__name__


def test_where_numba_is_otherwise_loops_are_compiled_as_ever(tmp_path: Path) -> None:
    """Without one of the names that linking needs the result is the same, to the bit."""
    for name in "ab":
        (tmp_path / name).mkdir()
    expected = float(sum(0.5**i for i in range(20))).hex()
    assert ["1", expected] == _printed(tmp_path / "a", CASE)
    assert ["0", expected] == _printed(tmp_path / "b", WITHOUT, CASE)
