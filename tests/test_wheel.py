"""What is built is what a user installs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _run(command: list[str], *, folder: Path, site: Path | None = None) -> str:
    """Run `command` in `folder`, with `site` first on the path, and return its standard output."""
    environment = {k: v for k, v in os.environ.items() if k != "GREENSCHED_DATA"}
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


@pytest.mark.slow
def test_installed_wheel_runs_the_demo_in_an_empty_folder(tmp_path: Path) -> None:
    """The sdist and wheel build with the samples, and the installed wheel replays them."""
    python = sys.executable
    built, site, empty = tmp_path / "built", tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    # The wheel is built from the sdist, so the sdist holds all that the wheel needs.
    _run([python, "-m", "build", "--no-isolation", "--outdir", str(built), str(ROOT)], folder=ROOT)
    (sdist,) = built.glob("*.tar.gz")
    (wheel,) = built.glob("*.whl")

    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "traces/SOURCES.md", "simulations/tidal-week.yaml"} <= in_sdist
    with zipfile.ZipFile(wheel) as package:
        in_wheel = set(package.namelist())
    assert {
        "greensched/py.typed",
        "greensched/_bundled/traces/SOURCES.md",
        "greensched/_bundled/simulations/tidal-week.yaml",
    } <= in_wheel
    assert set() == {n for n in in_wheel if n.startswith(("tests/", "benchmarks/", "traces/"))}

    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    _run([python, *install, str(site), str(wheel)], folder=empty)
    where = _run(
        [python, "-c", "import greensched; print(greensched.__file__)"], folder=empty, site=site
    )
    assert site == Path(where.strip()).parent.parent
    command = str(site / "bin" / "greensched")
    assert "greensched" in _run([command, "--version"], folder=empty, site=site)
    table = _run([command, "demo"], folder=empty, site=site)
    assert "scope 2" in table
    assert [] != list((empty / "results").rglob("summary.json"))
