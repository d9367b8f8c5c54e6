"""The house stays tidy; each rule has a companion test that shows it can fail."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests import tidy
from tests.conftest import ROOT, may_skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Rule = Callable[[str, str], list[str]]

NOT_SOURCE = {".git", ".venv", "build", "dist", "results", "__pycache__", ".hypothesis"}
OUTPUTS = "docs/reference/outputs.md"


def _files() -> list[str]:
    """Return every file of the project: as git sees it, or all of them outside a clone."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0 and (ROOT / ".git").exists():
        return sorted(n for n in set(listing.stdout.split("\0")) if n and (ROOT / n).is_file())
    parts = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in parts
        if not NOT_SOURCE & set(path.parts) and not path.parts[0].startswith(".venv")
    )


def _read(name: str) -> str:
    """Return a file as text; bytes that are none are replaced."""
    return (ROOT / name).read_bytes().decode("utf-8", errors="replace")


def _code(*folders: str) -> list[str]:
    """Return our Python files in `folders`."""
    return [n for n in _files() if n.endswith(".py") and n.startswith(folders)]


def _demand(rule: Rule, names: Iterable[str]) -> None:
    """Apply `rule` to files and fail with all that it finds, a line each."""
    found = [finding for name in names for finding in rule(name, _read(name))]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def _declared() -> frozenset[str]:
    """Return the modules that greensched may import: the library's, its own, the declared."""
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    named = (re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in lines)
    modules = {"ruamel.yaml": "ruamel", "vl-convert-python": "vl_convert"}
    ours = {modules.get(name, name.replace("-", "_")) for name in named}
    # Parts of declared ones: pydantic's custom types are made of its core, numba is llvmlite's.
    ours |= {"greensched", "pydantic_core", "llvmlite"}
    return frozenset(sys.stdlib_module_names) | ours


def _loaded_by(statement: str, names: set[str]) -> set[str]:
    """Return those of `names` that a fresh interpreter has imported after `statement`."""
    code = f"{statement}\nimport sys\nprint('loaded:', *sorted({names!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("loaded:")[2].split())


HELP = "from greensched.cli.main import main; main(['--help'], standalone_mode=False)"
HEAVY = {"numpy", "pandas", "numba", "duckdb", "altair", "pydantic", "pint", "rich", "simpy"}


def test_sizes() -> None:
    """No line, function or module of ours is longer than its limit."""
    _demand(tidy.too_long, _code("greensched/", "tests/", "benchmarks/"))


def test_sizes_can_fail() -> None:
    """A long line, function and module are each found, and kernels have their own limit."""
    body = "    x = 1\n"
    assert ["a.py:1: f has 51 lines, at most 50"] == tidy.too_long(
        "a.py", "def f():\n" + body * 50
    )
    assert [] == tidy.too_long("a.py", "def f():\n" + body * 49)
    kernel = "greensched/engine/kernels/a.py"
    assert [] == tidy.too_long(kernel, "def f():\n" + body * 79)
    assert 1 == len(tidy.too_long(kernel, "def f():\n" + body * 80))
    assert ["a.py: 401 lines, at most 400"] == tidy.too_long("a.py", "x = 1\n" * 401)
    assert ["a.py:1: 100 characters, at most 99"] == tidy.too_long("a.py", "#" * 100)


def test_tests_say_what_they_prove() -> None:
    """Every test function has a docstring of one sentence."""
    _demand(tidy.untold_tests, _code("tests/", "benchmarks/"))


def test_tests_say_what_they_prove_can_fail() -> None:
    """A test without a docstring is found, also inside a class."""
    assert 1 == len(tidy.untold_tests("a.py", "def test_a():\n    pass\n"))
    assert 1 == len(tidy.untold_tests("a.py", "class A:\n    def test_a(self):\n        pass\n"))
    assert [] == tidy.untold_tests("a.py", 'def test_a():\n    """It holds."""\n')


def test_names_end_in_a_unit() -> None:
    """Every public physical number or column of numbers has its unit last in its name."""
    _demand(tidy.unitless_names, _code("greensched/"))


@pytest.mark.parametrize(
    ("sample", "findings"),
    [
        ("class A:\n    energy: float\n", 1),
        ("class A:\n    energy_kwh: float\n", 0),
        ("class A:\n    intensity_g_per_kwh: FloatArray\n", 0),
        ("class A:\n    memory: IntArray | None\n", 1),
        ("class A:\n    power: PowerModel\n", 0),
        ("class _A:\n    energy: float\n", 0),
        ("def f(delay: int) -> None: ...\n", 1),
        ("def f(*, max_delay_ms: int) -> None: ...\n", 0),
        ("def _f(delay: int) -> None: ...\n", 0),
        ("class A:\n    def __init__(self, delay: int): ...\n", 1),
        ("class _A:\n    def __init__(self, delay: int): ...\n", 0),
        ("if x:\n    def f(delay: int): ...\n", 1),
    ],
)
def test_names_end_in_a_unit_can_fail(sample: str, findings: int) -> None:
    """A public physical number without a unit is found, a model or a private name is not."""
    assert findings == len(tidy.unitless_names("a.py", sample))


def test_output_columns_end_in_a_unit() -> None:
    """Every physical column and key of the outputs' reference has its unit last."""
    _demand(tidy.unitless_columns, [OUTPUTS])


def test_output_columns_end_in_a_unit_can_fail() -> None:
    """A documented column without a unit is found, in dotted keys by its last part."""
    table = "| name | unit |\n|---|---|\n| `energy` | kWh |\n| `a.energy_kwh` | kWh |\n"
    assert ["o.md:3: energy does not end in a unit"] == tidy.unitless_columns("o.md", table)
    assert 1 == len(tidy.unitless_columns("o.md", "| `batch.wait` | s |\n"))


def test_no_address_of_a_package_index() -> None:
    """No file of the project holds the address of a package index."""
    _demand(tidy.index_addresses, _files())


# In two parts each, so that this file holds no such address itself.
@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ("--index-", "url https://example.org/x"),
        ("--extra-index-", "url=mirror.example.org"),
        ("--find-", "links /opt/files"),
        ("index-", 'url = "https://example.org"'),
        ("UV_IND", "EX=https://example.org"),
        ("https://example.org/py/sim", "ple/"),
        ("https://user@example.org:8080/api/sim", "ple"),
        ("https://files.example.org/packages/0a/", "1b/whatever"),
        ("a==1 @ https://example.org/a-1-py3-none-any.", "whl"),
        ("reg", "istry.example.org/image"),
        ("reg", "istry.example.org:5000/image"),
        ("https://npm.reg", "istry.example.org"),
    ],
)
def test_no_address_of_a_package_index_can_fail(first: str, rest: str) -> None:
    """Every shape that an index's address takes is found."""
    assert 1 == len(tidy.index_addresses("a.txt", first + rest))


@pytest.mark.parametrize(
    "line",
    [
        "uv pip compile --no-emit-index-url --no-annotate",
        "registry.py maps names to policies",
        "names = registry.POLICIES.items()",
        "a simple rule: https://example.org/simplex",
        "    --hash=sha256:0a1b",
    ],
)
def test_no_address_of_a_package_index_spares_the_rest(line: str) -> None:
    """What only resembles an index's address is left alone."""
    assert [] == tidy.index_addresses("a.txt", line)


def test_libraries_stay_at_home() -> None:
    """SimPy, numba, kubernetes, click and rich are imported only where they belong."""
    _demand(tidy.strayed_libraries, _code("greensched/"))


def test_libraries_stay_at_home_can_fail() -> None:
    """A library outside its home is found, also when imported in a function's body."""
    assert 1 == len(tidy.strayed_libraries("greensched/power.py", "def f():\n    import simpy\n"))
    assert 1 == len(tidy.strayed_libraries("greensched/a.py", "from rich.table import Table\n"))
    assert [] == tidy.strayed_libraries("greensched/cli/a.py", "from rich.table import Table\n")


def test_libraries_are_declared() -> None:
    """Greensched imports nothing that its own dependencies do not name."""
    known = _declared()
    _demand(
        lambda path, text: tidy.undeclared_libraries(path, text, known=known),
        _code("greensched/"),
    )


def test_libraries_are_declared_can_fail() -> None:
    """An import that only the development group provides is found."""
    assert 1 == len(tidy.undeclared_libraries("a.py", "import hypothesis\n", known=_declared()))


def test_help_is_light() -> None:
    """`greensched --help` imports neither numpy nor pandas, nor anything else that is heavy."""
    assert set() == _loaded_by(HELP, HEAVY)


def test_help_is_light_can_fail() -> None:
    """The same look at a process that imports numpy finds it."""
    assert {"numpy"} == _loaded_by("import numpy", {"numpy", "pandas"})


def test_import_is_light() -> None:
    """`import greensched` loads none of the heavy libraries."""
    assert set() == _loaded_by("import greensched", HEAVY)


def test_locks_are_hashed() -> None:
    """Every requirement of the locks is pinned to one version and has a hash."""
    for name in ("requirements/run.txt", "requirements/dev.txt", "requirements/k8s.txt"):
        entries = re.sub(r"\\\n", "", _read(name)).splitlines()
        assert [] == [e for e in entries if not re.match(r"[\w.-]+==\S+.* --hash=sha256:", e)]
        assert len(entries) > 20


def test_only_data_may_skip() -> None:
    """Of all tests only those marked `data` may skip, and only where the data is absent."""
    assert may_skip(marked_data=True, data_present=False)
    assert not may_skip(marked_data=True, data_present=True)
    assert not may_skip(marked_data=False, data_present=False)


def test_a_skip_fails_where_all_must_run(tmp_path: Path) -> None:
    """With CI set, a test that skips itself fails the run."""
    conftest = _read("tests/conftest.py")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "test_a.py").write_text(
        "import pytest\ndef test_a(): pytest.skip('no')\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    for strict, code in (("true", 1), ("", 0)):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={"CI": strict, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert code == done.returncode
