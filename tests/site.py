"""mkdocs' hook: pages made of the code and of files beside docs/, and links that lead to them.

Documents are written for readers of the repository. On the site a link to a file that is no page
of it becomes the file's name, and what Markdown there takes for a list is one here too.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from greensched.cli.reference import commands_page

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parent.parent
BESIDE: Final = {  # file of the repository -> its page
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "traces/SOURCES.md": "sources.md",
}
COMMANDS: Final = "reference/commands.md"
DECISIONS: Final = "decisions/index.md"
LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE: Final = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
ELSEWHERE: Final = r"""\s*["']?\s*(?:https?:)?//"""
OUTSIDE: Final = re.compile(  # what a browser fetches by itself; links it does not
    rf"<(?!a\b)\w+\b[^>]*\b(?:src|srcset|href|data|poster)\s*={ELSEWHERE}[^>]*>"
    rf"|@import{ELSEWHERE}|\burl\({ELSEWHERE}",
    re.IGNORECASE,
)
ITEM: Final = re.compile(r"[-*] |\d+\. ")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add to the reference all its pages that are not named there."""
    (listed,) = (part["Reference"] for part in config.nav or () if "Reference" in part)
    named = {page for entry in listed for page in entry.values()}
    pages = (f"reference/{path.name}" for path in sorted((ROOT / "docs/reference").glob("*.md")))
    listed += [page for page in pages if page not in named]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are no files of docs/."""
    made = {page: (ROOT / name).read_text(encoding="utf-8") for name, page in BESIDE.items()}
    made[COMMANDS] = commands_page()
    made[DECISIONS] = decisions_page(sorted((ROOT / "docs/decisions").glob("0*.md")))
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def decisions_page(notes: list[Path]) -> str:
    """Return the list of decision notes."""
    titles = [(n.name, n.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")) for n in notes]
    listed = "\n".join(f"- [{title}]({name})" for name, title in titles)
    return f"# Decisions\n\nWhat was decided, measured, and what else there was.\n\n{listed}\n"


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: object) -> str:
    """Return a page's text with its links and lists as the site takes them."""
    own = page.file.src_uri
    origin = next((name for name, at in BESIDE.items() if at == own), f"docs/{own}")
    parts = FENCE.split(markdown)
    for i in range(0, len(parts), 2):  # between the fences
        linked = LINK.sub(lambda found: _link(found, origin, own, files), parts[i])
        parts[i] = _lists(linked)
    return "".join(parts)


def on_post_page(output: str, *, page: Page, **_: object) -> str:
    """Refuse a page that would fetch anything from elsewhere."""
    if found := OUTSIDE.search(output):
        raise PluginError(f"{page.file.src_uri} fetches from elsewhere: {found[0]}")
    return output


def _link(found: re.Match[str], origin: str, own: str, files: Files) -> str:
    """Return a link as it is on the site: to a page, or as the name of a file."""
    mark, text, target = found.groups()
    name, hash_, anchor = target.partition("#")
    if not name or re.match(r"[a-z]+:", target):
        return found[0]
    there = posixpath.normpath(posixpath.join(posixpath.dirname(origin), name))
    to = BESIDE.get(there) or there.removeprefix("docs/")
    is_shown = there in BESIDE or there.startswith("docs/")
    if not is_shown or files.get_file_from_path(to) is None:
        return f"{text} (`{there}`)"
    relative = posixpath.relpath(to, posixpath.dirname(own) or ".")
    return f"{mark}[{text}]({relative}{hash_}{anchor})"


def _lists(text: str) -> str:
    """Return text with a blank line before each list, as Python-Markdown needs one."""
    lines: list[str] = []
    for line in text.split("\n"):
        before = lines[-1] if lines else ""
        if ITEM.match(line) and before and before[0] not in "#|" and not _in_list(lines):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def _in_list(lines: list[str]) -> bool:
    """Tell whether the last line goes on with an item of a list."""
    for line in reversed(lines):
        if not line.strip():
            return False
        if ITEM.match(line):
            return True
    return False
