"""What README.md shows of the demonstration, written anew by `python -m tests.readme`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TIDE = ROOT / "docs" / "images" / "tide.svg"
COLUMNS = 100
# The table stands in the only fenced block that is plain text.
TABLE = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+")
DRAWN_MIN = 1_000  # characters of a path that is an area or a line of the run, no tick or letter
INK, PAPER = "#303030", "#ffffff"  # a picture has no page whose colours it could follow


def greensched(*words: str, folder: Path) -> str:
    """Return what the command `greensched` prints on stdout, run in `folder`."""
    environment = dict(os.environ) | {"COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "greensched", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def demo(folder: Path) -> tuple[str, str]:
    """Return the demonstration's table and its chart of the tide, run in `folder`."""
    printed = greensched("demo", "--out", "demo", folder=folder)
    greensched("report", "demo", "--svg", "--out", "charts", folder=folder)
    return printed, picture((folder / "charts" / "tide.svg").read_text(encoding="utf-8"))


def picture(svg: str) -> str:
    """Return a report's chart as a picture of its own: on paper, to a tenth of a pixel."""
    head, end, body = svg.partition(">")
    paper = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
    short = re.sub(r'(?<= d=")[^"]*', lambda found: rounded(found[0]), body)
    return (head + end + paper + short).replace("currentColor", INK) + "\n"


def lines_drawn(svg: str) -> list[str]:
    """Return the long paths of a chart: its areas and lines, whatever fonts are there."""
    return [path for path in re.findall(r' d="([^"]*)"', svg) if len(path) >= DRAWN_MIN]


def rounded(text: str) -> str:
    """Return `text` with its decimal numbers rounded to one place."""
    return NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)


def table(text: str) -> str:
    """Return the table that README's `text` shows."""
    (shown,) = TABLE.findall(text)
    return str(shown)


def main() -> None:
    """Run the demonstration and write its table and chart into the documents."""
    with tempfile.TemporaryDirectory() as folder:
        printed, tide = demo(Path(folder))
    text = README.read_text(encoding="utf-8")
    README.write_text(TABLE.sub(lambda _: f"```text\n{printed}```", text), encoding="utf-8")
    TIDE.parent.mkdir(parents=True, exist_ok=True)
    TIDE.write_text(tide, encoding="utf-8")


if __name__ == "__main__":
    main()
