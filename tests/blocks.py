"""Every block of commands in the documents, and what runs it: a test, or why none does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "traces").glob("*.md")]
)
DATA: Final = ("text", "yaml", "json", "toml", "csv", "promql")  # fences of what is not run
COMMAND: Final = re.compile(
    r"(\$ )?(\w+=\S+ )*(\S*/)?(greensched|python3?|pip|make|uv|git|sh|bash|docker|helm|kubectl"
    r"|kustomize|curl|sacct|ssh|systemctl|crontab|from|import|cp|mv|echo|printf)\s"
)
FENCE: Final = re.compile(r" *```(\w*)$")

# A page whose blocks all run in one test, which would fail were there one more.
PAGES: Final = {
    "docs/tutorial.md": "tests/test_docs.py",
    "docs/guides/notebook.md": "tests/test_docs.py",
    "docs/guides/adding-a-policy.md": "tests/test_docs.py",
    "docs/guides/nightly-training.md": "tests/batch/test_batch_page.py",
    "docs/guides/your-cluster.md": "tests/cluster/test_guide.py",
}
CLUSTER: Final = "needs a cluster; "
FORMS: Final = "forms of a command over files of the reader's own; "
# A block by its page and first line: the test that runs it, or why it is not run as it stands.
BLOCKS: Final = {
    "CONTRIBUTING.md": {
        "make check   # ruff": "the checks themselves, which `.ci/run` runs",
    },
    "README.md": {
        "make demo ": "`.ci/run` runs it",
        "pip install .": "tests/test_wheel.py installs it in an empty environment",
        "greensched trace inspect jobs.csv": "tests/test_readme.py",
        "import greensched as gs": "tests/test_readme.py",
    },
    "docs/guides/control-centre.md": {
        "pip install '.[serve]'": "needs a network; tests/serve/test_serve_server.py serves",
        "greensched serve results/": "goes on for ever; tests/browser/test_serve.py: such places",
        "greensched serve --host 0.0.0.0": "needs a name and a certificate;"
        " tests/serve/test_serve_gate.py: who is let in",
        "greensched serve --login": "as the one before; tests/serve/test_serve_gate.py",
    },
    "docs/guides/controller.md": {
        "pip install '.[k8s]'": "needs a network",
        "docker build": "needs a container engine",
        "helm install": CLUSTER
        + "tests/cluster/test_control_plane.py installs the chart's objects",
        "--set 'sources.germany": "a part of a command; tests/cluster/test_chart.py renders it",
        "kubectl apply -f k8s/examples/policy": CLUSTER + "tests/cluster/test_definitions.py",
        "kubectl create -f k8s/examples/job": CLUSTER + "tests/cluster/test_control_plane.py",
        "helm upgrade": CLUSTER + "tests/cluster/test_chart.py renders it",
        "kubectl get carbonpolicies -o name": CLUSTER + "tests/cluster/test_promises.py pauses",
        "kubectl get deferrals": CLUSTER + "tests/cluster/test_settled.py proves",
        "helm uninstall greensched --namespace greensched": CLUSTER
        + "tests/cluster/test_chart.py",
        "greensched controller release-all": CLUSTER + "tests/cluster/test_promises.py",
        "kubectl delete crd": CLUSTER + "it takes all away",
    },
    "docs/guides/your-cluster.md": {
        "python -m tests.cluster.week_world": "tests/cluster/test_guide.py starts the same world",
    },
    "docs/reference/calibration.md": {
        "greensched calibrate week.yaml": FORMS + "tests/cluster/test_guide.py",
    },
    "docs/reference/consolidation.md": {
        "import numpy as np": "a sketch; tests/test_packing_real.py packs",
    },
    "docs/reference/disclosure.md": {
        "greensched disclose 2025": FORMS + "tests/test_disclosure.py",
    },
    "docs/reference/explain.md": {
        "greensched explain results/openb": FORMS + "tests/test_explain.py",
    },
    "docs/reference/export.md": {
        "greensched export results/week": FORMS + "tests/test_export.py, tests/cluster",
    },
    "docs/reference/forecast.md": {
        "from greensched.forecast": "a sketch over a load of the reader's own",
    },
    "docs/reference/ledger.md": {
        "greensched ledger init fleet.ledger": "asks for a key kept elsewhere;"
        " tests/test_cli_ledger.py, the tutorial",
        "from pathlib import Path": "tests/ledger/cases.py does the same for all its tests",
    },
    "docs/reference/samples.md": {
        "python -m greensched.generate": "writes anew what is kept; tests/test_generate.py",
    },
    "docs/reference/shifting.md": {
        "greensched shift jobs.csv": FORMS + "tests/test_cli_shift.py, the tutorial",
    },
    "docs/reference/sizing.md": {
        "greensched size simulations/": "takes minutes; tests/test_cli_size.py",
        "greensched run simulations/tidal-week.yaml --set pools.": "tests/test_size_bought.py",
    },
    "docs/reference/sweep.md": {
        "greensched sweep SCENARIO": FORMS + "tests/test_cli_sweep.py, the tutorial",
    },
    "docs/reference/traces.md": {
        "sacct -a": "needs Slurm",
    },
    "docs/reference/verification.md": {
        "greensched verify results/": FORMS + "tests/test_verify.py",
    },
    "traces/SOURCES.md": {
        "python -m greensched.generate": "writes anew what is kept; tests/test_generate.py",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of commands: the line of the page at which it begins, and its text."""

    line: int
    text: str

    @property
    def first(self) -> str:
        """Return its first line."""
        return self.text.splitlines()[0]


def blocks(text: str) -> list[Block]:
    """Return a page's blocks of commands.

    A fenced block is one, unless it names a language of data; an indented one, where one of its
    lines begins with a program's name.
    """
    lines, found, at = text.splitlines(), [], 0
    while at < len(lines):
        begin, fence = at, FENCE.match(lines[at])
        if fence:
            at = next(i for i in range(begin + 1, len(lines)) if FENCE.match(lines[i])) + 1
            inner = lines[begin + 1 : at - 1]
            is_run = fence[1] not in DATA
        else:
            while at < len(lines) and re.match(r" {4}|\s*$", lines[at]):
                at += 1
            inner = lines[begin:at]
            is_block = not begin or not lines[begin].strip() or lines[begin - 1].startswith("#")
            is_run = is_block and any(COMMAND.match(line.lstrip()) for line in inner)
            at = max(at, begin + 1)
        if is_run:
            kept = [line.strip() for line in inner if line.strip()]
            found.append(Block(line=begin + 1, text="\n".join(kept)))
    return found


def loose(page: str, text: str) -> list[Block]:
    """Return the blocks of a page that nothing is said to run, and nothing says why not."""
    told = BLOCKS.get(page, {})
    listed = [one for one in blocks(text) if any(one.first.startswith(begin) for begin in told)]
    if page in PAGES:
        # What its test takes is fenced; the others have to be told of.
        return [b for b in blocks(text) if b not in listed and _is_indented(text, b)]
    return [one for one in blocks(text) if one not in listed]


def _is_indented(text: str, block: Block) -> bool:
    return not FENCE.match(text.splitlines()[block.line - 1])
