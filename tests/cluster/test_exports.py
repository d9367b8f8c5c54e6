"""What `export` writes, as the real API server takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greensched.export import export
from greensched.export.written import written
from tests.export_cases import decided

if TYPE_CHECKING:
    from tests.cluster.api import Api
    from tests.cluster.conftest import Command
    from tests.cluster.control_plane import ControlPlane


@pytest.mark.parametrize("target", ["hpa", "carbonpolicy"])
def test_the_server_takes_what_is_exported(
    shipped: ControlPlane, admin: Api, kubectl: Command, target: str
) -> None:
    """Autoscalers and policies pass the server's own validation, unknown fields refused."""
    if target == "hpa":
        admin.namespace("team")
    text = written(export(decided(), target))
    words = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    told = kubectl(*words, text=text)
    assert len(export(decided(), target).documents) == told.count("(server dry run)")
