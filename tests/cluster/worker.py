"""The controller as a process of its own, as its Pod would start it, with the shipped rights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx
import psutil

from greensched.providers.points import utc
from greensched.units import MS_PER_S
from tests.cluster.control_plane import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.control_plane import ControlPlane

SPACE: Final = "greensched"
CONTROLLER: Final = f"system:serviceaccount:{SPACE}:greensched"
STEP_S: Final = 10
DIRTY, CLEAN = 500, 100  # g/kWh


def forecast(folder: Path, dirty_s: int) -> int:
    """Write intensity that is high for about so long from now on; return when it falls [ms]."""
    now_s = int(time.time()) // STEP_S * STEP_S
    falls_s = now_s + dirty_s
    times = range(now_s - 600, now_s + dirty_s + 7_200, STEP_S)
    rows = [f"{utc(s * MS_PER_S)},{DIRTY if s < falls_s else CLEAN}\n" for s in times]
    (folder / "intensity.csv").write_text("timestamp,carbon_intensity\n" + "".join(rows))
    return falls_s * MS_PER_S


@dataclass
class Worker:
    """One replica; `folder` has its forecast, its log, and is its home."""

    plane: ControlPlane
    folder: Path
    name: str
    namespace: str
    running: subprocess.Popen[bytes] | None = None
    port: int = field(default_factory=free_port)

    def start(self) -> Worker:
        """Start it; it is not ready yet."""
        self.ledger.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "greensched", "controller", "run", "-v"]
        command += [f"--kubeconfig={self.plane.kubeconfig(CONTROLLER)}"]
        command += [f"--namespace={self.namespace}"] if self.namespace else []
        command += [f"--source=main={self.folder / 'intensity.csv'}"]
        command += [f"--metrics-port={self.port}", f"--cache={self.folder / 'cache'}"]
        command += [f"--ledger={self.ledger}"]
        own = {"XDG_CONFIG_HOME": str(self.folder / f"{self.name}-settings")}
        own |= {"HOME": str(self.folder), "POD_NAME": self.name, "POD_NAMESPACE": SPACE}
        env = {**os.environ, **own}
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        return self

    @property
    def ledger(self) -> Path:
        """Return where it enters what is settled."""
        return self.folder / f"{self.name}-ledger" / "ledger.sqlite"

    @property
    def log(self) -> Path:
        """Return where it says what it does."""
        return self.folder / f"{self.name}.log"

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and return what it ends with."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self.running is None:
            return 0
        self.running.send_signal(number)
        code = self.running.wait(60)
        self.running = None
        return code

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels, 0 where it does not answer yet."""
        try:
            text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text
        except httpx.HTTPError:
            return 0.0
        lines = (line.rpartition(" ") for line in text.splitlines())
        wanted = f"greensched_{name}"
        return sum(float(v) for k, _, v in lines if k.partition("{")[0] == wanted)

    def resident_bytes(self) -> int:
        """Return how much memory it holds."""
        assert self.running is not None
        return int(psutil.Process(self.running.pid).memory_info().rss)
