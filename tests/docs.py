"""What the documents show is what happens: their commands and cells, run in order.

A page is a session. Its console blocks are run by bash in one empty folder, its Python blocks in
one namespace, and where a text block follows, that is what was printed (of Python: the last
value). Where a picture follows, that is the altair chart in which the cell ends.
`python -m tests.docs [PAGE...]` writes text blocks and pictures anew.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.readme import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted(
    page
    for page in (ROOT / "docs").rglob("*.md")
    if re.search(r"^```(console|python)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    and page.parent.name in ("docs", "guides")
)
BLOCK: Final = re.compile(
    r"^```(console|python)\n(.*?)^```$(\n\n^```text\n.*?^```$|\n\n!\[[^]]*\]\((\S+\.svg)\))?",
    re.MULTILINE | re.DOTALL,
)
COLUMNS: Final = 100


def executed(page: Path, folder: Path) -> tuple[str, dict[Path, str]]:
    """Return a page, and its pictures by file, as they would be were all run now."""
    names: dict[str, Any] = {}
    pictures: dict[Path, str] = {}

    def block(found: re.Match[str]) -> str:
        kind, code, follows, picture = found.groups()
        value = _console(code, folder) if kind == "console" else _python(code, page, names)
        if picture:
            pictures[(page.parent / picture).resolve()] = drawn(value)
            return found[0]
        printed = value if kind == "console" else f"{value!r}\n"
        shown = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        after = f"\n\n```text\n{shown}```" if follows else ""
        return f"```{kind}\n{code}```{after}"

    with _in(ROOT):
        text = BLOCK.sub(block, page.read_text(encoding="utf-8"))
    return text, pictures


def drawn(chart: Any) -> str:
    """Return an altair chart as a picture on paper."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    return picture(svg)


def _console(code: str, folder: Path) -> str:
    """Return what commands print on stdout; raises where one of them fails."""
    scripts = folder / ".bin"
    scripts.mkdir(exist_ok=True)
    own = scripts / "greensched"
    own.write_text(f'#!/bin/sh\nexec {sys.executable} -m greensched "$@"\n', encoding="utf-8")
    own.chmod(0o755)
    environment = {
        **os.environ,
        **{f"XDG_{name}_HOME": str(folder / f".{name.lower()}") for name in ("STATE", "CONFIG")},
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
        "TZ": "UTC",
    }
    done = subprocess.run(
        ["bash", "-euc", code],  # noqa: S607
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{code}\nended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _python(code: str, page: Path, names: dict[str, Any]) -> Any:
    """Return the last value of a cell, None where it ends in none."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(page), "exec"), names)  # noqa: S102  our own page
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), str(page), "eval"), names)  # noqa: S307


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Work in a folder: pages name files of the repository."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def main() -> None:
    """Write pages anew: those named, else all."""
    for page in map(Path, sys.argv[1:]) if sys.argv[1:] else PAGES:
        with tempfile.TemporaryDirectory() as folder:
            text, pictures = executed(page.resolve(), Path(folder))
        for path, content in {page: text, **pictures}.items():
            path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
