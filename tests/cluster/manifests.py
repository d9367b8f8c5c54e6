"""Makes the kustomize bases of the chart: `python -m tests.cluster.manifests`."""

from __future__ import annotations

import subprocess
from typing import Final

from tests.cluster.binaries import HELM, programs
from tests.conftest import ROOT

BASES: Final = {"k8s/base": "cluster", "k8s/namespaced": "namespace"}
NOTE: Final = "# Made of k8s/chart by python -m tests.cluster.manifests.\n"


def rendered(scope: str) -> str:
    """Return all that the chart holds by default, but its hooks, for a scope."""
    command = [str(programs(HELM) / "helm"), "template", "greensched", "k8s/chart"]
    command += ["--namespace=greensched", "--no-hooks", "--kube-version=1.36"]
    command += [f"--set=scope={scope}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = (line for line in done.stdout.splitlines() if not line.startswith("# Source: "))
    return NOTE + "\n".join(lines) + "\n"


def main() -> None:
    """Write the bases."""
    for folder, scope in BASES.items():
        (ROOT / folder / "greensched.yaml").write_text(rendered(scope))


if __name__ == "__main__":
    main()
