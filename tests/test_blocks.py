"""No block of commands stands in a document that nothing runs and of which nobody says why."""

from __future__ import annotations

import re

import pytest

from tests import docs
from tests.blocks import BLOCKS, DOCUMENTS, PAGES, ROOT, blocks, loose

TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in DOCUMENTS}


@pytest.mark.parametrize("page", TEXTS)
def test_every_block_is_run_or_told_why_not(page: str) -> None:
    """Each block of commands has a test that runs it, or a reason why none does."""
    assert [] == [(one.line, one.first) for one in loose(page, TEXTS[page])]


@pytest.mark.parametrize(
    "block",
    [
        "```\nfoo --bar\n```\n",
        "```console\ngreensched run x.yaml\n```\n",
        "```zsh\nls\n```\n",
        "- a list\n\n  ```sh\n  make demo\n  ```\n",
        "    greensched run x.yaml\n",
        "    A=1 .venv/bin/python -m tests.docs\n",
        "    # first\n    $ kubectl get pods\n",
    ],
)
def test_new_block_is_seen(block: str) -> None:
    """A block that is written into a page, fenced or indented, is one that nothing runs yet."""
    assert 1 == len(loose("docs/limits.md", f"# Page\n\nDo:\n\n{block}\nText.\n"))


@pytest.mark.parametrize("block", ["```text\ngreensched run\n```\n", "    n = ceil(n x metric)\n"])
def test_data_and_formulas_are_no_commands(block: str) -> None:
    """What is printed, and what is a formula, needs nothing that runs it."""
    assert [] == blocks(f"Text:\n\n{block}")


def test_what_is_listed_is_there() -> None:
    """Every block that is listed stands on its page, and every test that is named exists."""
    gone = [
        (page, begin)
        for page, told in BLOCKS.items()
        for begin in told
        if not any(one.first.startswith(begin) for one in blocks(TEXTS[page]))
    ]
    assert [] == gone
    said = " ".join([*PAGES.values(), *(why for told in BLOCKS.values() for why in told.values())])
    assert [] == [
        name for name in re.findall(r"tests/[\w/.]*\w", said) if not (ROOT / name).exists()
    ]


def test_pages_that_run_as_a_whole_do() -> None:
    """Of a page that is run as a session each fenced block is of a kind that its test takes."""
    assert {str(page.relative_to(ROOT)) for page in docs.PAGES} == {
        page for page, runner in PAGES.items() if runner == "tests/test_docs.py"
    }
    for page in docs.PAGES:
        text = page.read_text(encoding="utf-8")
        fenced = re.findall(r"^```(\w*)\n.*?^```$", text, re.MULTILINE | re.DOTALL)
        assert {"console", "python", "text"} >= set(fenced)
        assert len(docs.BLOCK.findall(text)) == len([kind for kind in fenced if kind != "text"])
