"""The folder of compiled kernels: named after their sources, replaced where it cannot be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "greensched"
COPIED = (
    "__init__.py",
    "units.py",
    "errors.py",
    "model",
    "power.py",
    "queueing.py",
    "compiling",
    "engine",
)


def _copy(folder: Path) -> Path:
    """Copy the modules that kernels depend on, and return the package's folder."""
    package = folder / "greensched"
    package.mkdir(parents=True)
    for name in COPIED:
        source = PACKAGE / name
        if source.is_dir():
            shutil.copytree(source, package / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, package / name)
    return package


def _run(folder: Path, cache: Path, *code: str) -> str:
    """Run code against the package in `folder` with caches in `cache`; return what it printed."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["NUMBA_DISABLE_JIT"] = "0"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", "\n".join(code)],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() + done.stderr.strip()


FOLDER = "from greensched import compiling; print(compiling.CACHE_FOLDER.name)"


def test_folder_changes_with_a_callee(tmp_path: Path) -> None:
    """An edit of a callee in another module compiles into another folder; the old one is kept."""
    package = _copy(tmp_path)
    cache = tmp_path / "cache"
    before = _run(tmp_path, cache, FOLDER)
    for callee in ("power.py", "engine/kernels/heaps.py"):
        path = package / callee
        path.write_text(path.read_text() + "\n# another version\n")
        after = _run(tmp_path, cache, FOLDER)
        assert before != after
        before = after
    assert 3 == len(list((cache / "greensched" / "kernels").iterdir()))


def test_an_edited_callee_shows_in_the_result(tmp_path: Path) -> None:
    """A cached caller sees the new result of a callee that was edited in another module."""
    package = _copy(tmp_path)
    caller = package / "engine" / "kernels" / "caller.py"
    caller.write_text(
        "from greensched.engine.kernels.callee import value\n"
        "from greensched.compiling import entry\n"
        "@entry\n"
        "def twice(x):\n"
        "    return 2 * value(x)\n"
    )
    callee = package / "engine" / "kernels" / "callee.py"
    head = "from greensched.compiling import inner\n@inner\ndef value(x):\n"
    code = "from greensched.engine.kernels.caller import twice; print(twice(10))"
    for result, body in (("20", "    return x\n"), ("22", "    return x + 1\n")):
        callee.write_text(head + body)
        assert result == _run(tmp_path, tmp_path / "cache", code)


def test_without_a_writable_folder_a_temporary_one_is_used(tmp_path: Path) -> None:
    """A cache folder that cannot be made leads to a temporary one and a RuntimeWarning."""
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    code = (
        "from greensched import compiling; "
        "print(compiling.CACHE_FOLDER.is_dir(), compiling.CACHE_FOLDER.name)"
    )
    told = _run(PACKAGE.parent, blocked, code)
    assert "True greensched-kernels-" in told
    assert "RuntimeWarning" in told
    assert "cannot be written" in told
