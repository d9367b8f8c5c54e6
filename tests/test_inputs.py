"""Every file that a scenario reads is told with its hash, and what `init` assumed is marked."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from greensched.experiment.world import shared
from greensched.scenario import load
from tests.readers.builders import POD_HEADER, write
from tests.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = """\
apiVersion: greensched/v1
kind: Scenario
name: files
window: {start: 2024-01-01T00:00Z, hours: 1}
sites: [{name: here, zone: X, pue: 1.2, intensity: {source: grid.csv}}]
fleet: [{from: nodes.csv, reader: canonical, site: here, power: {per_core: 5 W, idle_share: 0.3}}]
traces:
  services:
    file: pods.csv
    reader: openb
    population: {tide: {file: tide.csv, step: 600 s, column: use, unit: percent}}
"""


def test_machines_and_tide_are_among_what_was_read(tmp_path: Path) -> None:
    """A file of machines and the tide of a population have their hash, as pods and grid have."""
    path = write(tmp_path, "files.yaml", SCENARIO)
    files = {
        "nodes.csv": ("machine,count,cpu_m,memory_mib", "m,4,16000,65536"),
        "pods.csv": (POD_HEADER, "p0,1000,64,0,0,,LS,Running,0,9,0"),
        "tide.csv": ("use", *(f"{10 + i}" for i in range(12))),
        "grid.csv": (
            "timestamp,carbon_intensity",
            *(f"2024-01-0{1 + h // 24}T{h % 24:02}:00Z,{300 + h}" for h in range(72)),
        ),
    }
    made = {name: write(tmp_path, name, *lines) for name, lines in files.items()}
    once = {name: hashlib.sha256(file.read_bytes()) for name, file in made.items()}
    expected = {name: hashlib.sha256(digest.digest()).hexdigest() for name, digest in once.items()}
    expected["grid.csv"] = once["grid.csv"].hexdigest()
    assert expected == shared(load(path)).checksums


def test_init_marks_the_switch_and_the_replicas_as_assumed(tmp_path: Path) -> None:
    """Without recorded replicas the room above the peak is written and marked, as switches are."""
    header = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
    rows = [f"a,{300 * i},500,1000,1024" for i in range(12)]
    known = [f"{row},3" for row in rows]
    texts = [
        call("init", "--from", write(tmp_path, "s.csv", *lines), "--out", "-").stdout
        for lines in ((header, *rows), (f"{header},replicas", *known))
    ]
    headroom = "# ASSUMED: no replicas are recorded, so static-peak has them for peak load x 1.3"
    assert [True, False] == [headroom in text for text in texts]
    assert "baseline: {kind: autoscaled, headroom: 0.3}  # ASSUMED" in texts[0]
    for text in texts:
        switches = [line for line in text.splitlines() if line.startswith("  - {kind: ")]
        assert switches
        assert all("# ASSUMED: " in line for line in switches)
