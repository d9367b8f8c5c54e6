"""The documentation's hook: what would be fetched from elsewhere ends the build."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mkdocs.exceptions import PluginError

from tests import site

PAGE: Any = SimpleNamespace(file=SimpleNamespace(src_uri="guide.md"))


@pytest.mark.parametrize(
    "part",
    [
        '<script src="https://cdn.example.org/a.js"></script>',
        "<script async src=https://cdn.example.org/a.js></script>",
        "<script type='module' src='//cdn.example.org/a.js'></script>",
        '<img alt="x" src="http://example.org/a.png">',
        '<IMG SRC="HTTPS://example.org/a.png">',
        '<img srcset="https://example.org/a.png 2x" src="a.png">',
        '<link href="https://fonts.example.org/css?family=Roboto" rel="stylesheet">',
        '<link\nrel="stylesheet"\nhref = "https://fonts.example.org/css">',
        '<iframe src="https://example.org/"></iframe>',
        '<video src="https://example.org/a.mp4"></video>',
        '<object data="https://example.org/a.svg"></object>',
        "<style>@import 'https://example.org/a.css';</style>",
        "<style>p { background: url(https://example.org/a.png) }</style>",
    ],
)
def test_page_that_fetches_from_elsewhere_ends_the_build(part: str) -> None:
    """Scripts, pictures, frames, styles and fonts of another host are refused, however written."""
    with pytest.raises(PluginError, match=r"guide\.md fetches from elsewhere: "):
        site.on_post_page(f"<html><body>{part}</body></html>", page=PAGE)


@pytest.mark.parametrize(
    "part",
    [
        '<a href="https://example.org/">a link</a>',
        '<script src="../assets/a.js"></script>',
        '<img src="images/tide.svg">',
        '<link rel="canonical" href="index.html">',
        "<code>&lt;img src=&quot;https://example.org/&quot;&gt;</code>",
        "<p>url of https://example.org</p>",
    ],
)
def test_links_and_own_files_are_no_fetching(part: str) -> None:
    """What a reader has to click at, text, and files of the site itself are as they were."""
    assert part == site.on_post_page(part, page=PAGE)
