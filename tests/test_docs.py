"""The documents' commands and cells run as they stand, and show what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.cli.main import COMMANDS
from greensched.cli.reference import commands_page
from tests import docs
from tests.readme import lines_drawn

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.stem)
def test_page_shows_what_happens(page: Path, tmp_path: Path) -> None:
    """Every command and cell of a page runs, and prints and draws what the page shows."""
    text, pictures = docs.executed(page, tmp_path)
    assert page.read_text(encoding="utf-8") == text
    for path, content in pictures.items():
        assert lines_drawn(path.read_text(encoding="utf-8")) == lines_drawn(content)


def test_failing_command_is_seen(tmp_path: Path) -> None:
    """A page whose command fails, or prints something else, is not as it was executed."""
    page = tmp_path / "page.md"
    page.write_text("```console\necho a\n```\n\n```text\nb\n```\n", encoding="utf-8")
    assert "```text\na\n```" in docs.executed(page, tmp_path)[0]
    page.write_text("```console\nfalse\necho a\n```\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="ended with 1"):
        docs.executed(page, tmp_path)


def test_commands_page_has_every_command() -> None:
    """The page of commands has a heading for each command, and its options' texts."""
    page = commands_page()
    for name in COMMANDS:
        assert f"\n## {name}\n" in page
    assert "\n### batch submit\n" in page
    assert "| `--within DURATION` | It must have ended by then. |" in page
