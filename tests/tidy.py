"""The rules of tests/test_tidy.py: each takes a text and returns what is wrong with it."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_MAX = 99
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
KERNEL_LINES_MAX = 80

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _tree(text: str) -> ast.Module:
    """Return a source's tree, which many rules look at."""
    return ast.parse(text)


def _functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function of `tree`, methods and inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# ------------------------------------------------------------------------------------------
# Sizes
# ------------------------------------------------------------------------------------------


def too_long(path: str, text: str) -> list[str]:
    """Return lines, functions and the module that exceed their limits."""
    lines = text.splitlines()
    found = [
        f"{path}:{number}: {len(line)} characters, at most {LINE_MAX}"
        for number, line in enumerate(lines, 1)
        if len(line) > LINE_MAX
    ]
    if len(lines) > MODULE_LINES_MAX:
        found.append(f"{path}: {len(lines)} lines, at most {MODULE_LINES_MAX}")
    limit = KERNEL_LINES_MAX if "/kernels" in path else FUNCTION_LINES_MAX
    for node in _functions(_tree(text)):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > limit:
            found.append(f"{path}:{node.lineno}: {node.name} has {length} lines, at most {limit}")
    return found


# ------------------------------------------------------------------------------------------
# Tests say which fact they prove
# ------------------------------------------------------------------------------------------


def untold_tests(path: str, text: str) -> list[str]:
    """Return test functions without a docstring of one sentence."""
    found = []
    for node in _functions(_tree(text)):
        if not node.name.startswith("test_"):
            continue
        told = (ast.get_docstring(node) or "").strip()
        if not told.endswith(".") or "\n\n" in told:
            found.append(f"{path}:{node.lineno}: {node.name} has no docstring of one sentence")
    return found


# ------------------------------------------------------------------------------------------
# Physical names end in a unit
# ------------------------------------------------------------------------------------------

PHYSICAL = re.compile(
    r"(^|_)(energy|power|duration|time|runtime|wait|intensity|memory|cpu|cost|price|emissions?"
    r"|carbon|embodied|delay|period|interval|lifetime|latency|watts|joules|horizon)(_|$)"
)
UNIT = re.compile(
    r"_(ms|s|min|h|days"  # time
    r"|w|kw|mw|j|mj|kwh|mwh"  # power and energy
    r"|mg|g|kg|t"  # mass of CO2e
    r"|mib|gib|gb|mhz"  # bytes and frequency
    r"|m"  # thousandths of a core or a device
    r"|share|factor|ratio|percent|count"  # without dimension
    r"|eur|micro"  # money; millionths of a scenario's currency
    r"|s_per_[a-z]+)$"  # time for each of something that is counted
)
# Names whose last word is not a unit and that are right all the same, each with its reason.
UNIT_EXCEPTIONS: dict[str, str] = {
    "max_cpu": "a share of capacity; the scenario's word",
    "max_memory": "a share of capacity; the scenario's word",
    "cost": "in the currency that stands beside it as `currency`",
    "latency_factor_p99": "a factor",
    "latency_factor_p99_limit": "a factor",
    "latency_factor_p99_ok": "yes or no",
    "wait_p95_ok": "yes or no",
    "power_cycles": "a count",
    "energy_mwh_milli": "milliwatt-hours, spelt out lest they pass for megawatt-hours",
    "energy_baseline_mwh_milli": "the same",
    "energy_static_peak_mwh_milli": "the same",
    "time_utc": "an instant",
}
NUMERIC = re.compile(
    r"^(int|float|Decimal|(Int|Int32|Int8|Float)Array|NDArray\[np\.(int|float)\d+\]"
    r"|(np\.)?(int|float)\d+)$"
)


def lacks_unit(name: str) -> bool:
    """Tell whether `name` is physical and does not end in a unit."""
    physical = name not in UNIT_EXCEPTIONS and PHYSICAL.search(name.lower())
    return bool(physical) and not UNIT.search(name.lower())


def _numeric(annotation: ast.expr | None) -> bool:
    """Tell whether an annotation is a number or an array of numbers, or such a one or None."""
    if annotation is None:
        return False
    kinds = [part.strip() for part in ast.unparse(annotation).strip("'\"").split("|")]
    return any(NUMERIC.match(kind) for kind in kinds)


def _public_values(node: ast.AST) -> Iterator[tuple[int, str, ast.expr | None]]:
    """Yield line, name and annotation of public fields and of parameters of public functions.

    What stands in a private class or in a function's body is not public.
    """
    for item in ast.iter_child_nodes(node):
        if isinstance(item, ast.ClassDef):
            if not item.name.startswith("_"):
                yield from _public_values(item)
        elif isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            if not item.name.startswith("_") or item.name == "__init__":
                given = item.args
                for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
                    yield argument.lineno, argument.arg, argument.annotation
        elif isinstance(item, ast.AnnAssign):
            if isinstance(node, ast.ClassDef) and isinstance(item.target, ast.Name):
                yield item.lineno, item.target.id, item.annotation
        else:
            yield from _public_values(item)


def unitless_names(path: str, text: str) -> list[str]:
    """Return public physical values, numbers or columns, whose names do not end in a unit."""
    return [
        f"{path}:{line}: {name} does not end in a unit"
        for line, name, annotation in _public_values(_tree(text))
        if not name.startswith("_") and _numeric(annotation) and lacks_unit(name)
    ]


ROW = re.compile(r"^\|\s*`([^`]+)`\s*\|")


def unitless_columns(path: str, text: str) -> list[str]:
    """Return columns documented in the tables of `text` whose names do not end in a unit.

    The first cell of a row is the name in backticks; of a dotted key the last part counts.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = ROW.match(line)
        if match and lacks_unit(re.split(r"[.\[\]/ ]+", match[1].rstrip(".[]/ "))[-1]):
            found.append(f"{path}:{number}: {match[1]} does not end in a unit")
    return found


# ------------------------------------------------------------------------------------------
# Libraries stay where they belong, and are declared
# ------------------------------------------------------------------------------------------

# Library -> the only parts of greensched that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "simpy": ("greensched/engine/simulate.py",),
    "numba": (
        "greensched/compiling/",
        "greensched/engine/kernels/memory.py",
        "greensched/engine/kernels/warm.py",
    ),
    "llvmlite": ("greensched/compiling/",),
    "kubernetes": ("greensched/controller/",),
    "click": ("greensched/cli/", "greensched/report/"),
    "rich": ("greensched/cli/", "greensched/report/"),
}


def _imports(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and first part of the name of every absolute import."""
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def strayed_libraries(path: str, text: str) -> list[str]:
    """Return imports of a library outside its home."""
    return [
        f"{path}:{line}: {name} may be imported only in {' and '.join(HOMES[name])}"
        for line, name in _imports(text)
        if name in HOMES and not path.startswith(HOMES[name])
    ]


def undeclared_libraries(path: str, text: str, *, known: frozenset[str]) -> list[str]:
    """Return imports of what is neither the standard library's, nor ours, nor declared."""
    return [
        f"{path}:{line}: {name} is not among the dependencies in pyproject.toml"
        for line, name in _imports(text)
        if name not in known
    ]


# ------------------------------------------------------------------------------------------
# No address of a package index
# ------------------------------------------------------------------------------------------

# Told by shape: a path that ends in the "simple" listing, a file store keyed by hash, a host
# that calls itself a registry, a wheel on a server, an option or setting that takes an address.
INDEX_SHAPES: tuple[re.Pattern[str], ...] = (
    re.compile(r"https?://[^\s\"'<>)]*/simple\b", re.IGNORECASE),
    re.compile(r"https?://[^\s\"'<>)]*/packages/[0-9a-f]{2}/[0-9a-f]{2}/", re.IGNORECASE),
    re.compile(r"(?:://|@)(?:[\w-]+\.)*registry\.[\w-]+", re.IGNORECASE),
    re.compile(r"(?<![\w-])registry(?:\.[\w-]+)+(?::\d+)?/\w", re.IGNORECASE),
    re.compile(r"https?://[^\s\"'<>)]*\.whl\b", re.IGNORECASE),
    re.compile(r"(?<!emit-)\bindex[-_]url\b[\"']?\s*[=: ]\s*[\"']?[\w.$/]*[:/.]", re.IGNORECASE),
    re.compile(r"\bfind[-_]links\b[\"']?\s*[=: ]\s*[\"']?[\w.$]*[:/.]", re.IGNORECASE),
    re.compile(r"\b\w+_INDEX(?:_URL)?\s*=\s*[\"']?\w*[:/.]"),
)


def index_addresses(path: str, text: str) -> list[str]:
    """Return lines that hold the address of a package index."""
    return [
        f"{path}:{number}: looks like the address of a package index"
        for number, line in enumerate(text.splitlines(), 1)
        if any(shape.search(line) for shape in INDEX_SHAPES)
    ]
