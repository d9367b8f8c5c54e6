"""What all tests of the batch runner share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.batch.cases import Place, new_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a queue of the test's own."""
    yield from new_place(tmp_path, monkeypatch)
