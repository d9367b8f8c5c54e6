"""The reference of policies names every setting with its default."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from greensched import registry
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "reference" / "policies.md").read_text(encoding="utf-8")
HEADINGS = {
    name: title
    for title in re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE)
    for name in re.findall(r"[a-z-]+", title)
    if name in registry.POLICIES
}


@pytest.mark.parametrize("name", registry.names("policy"))
def test_settings_are_documented(name: str) -> None:
    """The table of each policy lists its fields in order, with the defaults of the code."""
    section = TEXT.split(f"## {HEADINGS[name]}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", section, flags=re.MULTILINE)
    policy = registry.load("policy", name)
    assert rows == [(f.name, str(f.default)) for f in fields(policy)]
