"""What `export` writes, as the real API server takes it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from greensched.export import export
from greensched.export.written import written
from tests.export_cases import decided

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.api import Api
    from tests.cluster.conftest import Command
    from tests.cluster.control_plane import ControlPlane

STRICT = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")


@pytest.fixture(scope="module", autouse=True)
def spaces(admin: Api) -> None:
    """Make the namespaces that the documents are of."""
    for space in ("team", "koordinator-system"):
        admin.namespace(space)


@pytest.mark.parametrize("target", ["hpa", "carbonpolicy"])
def test_the_server_takes_what_is_exported(
    shipped: ControlPlane, kubectl: Command, target: str
) -> None:
    """Autoscalers and policies pass the server's own validation, unknown fields refused."""
    text = written(export(decided(), target))
    told = kubectl(*STRICT, text=text)
    assert len(export(decided(), target).documents) == told.count("(server dry run)")


@pytest.mark.parametrize("target", ["keda-cron", "koordinator"])
def test_exports_are_as_other_programs_publish_their_objects(
    published: Path, kubectl: Command, target: str
) -> None:
    """KEDA's and Koordinator's own definitions take what is exported; a wrong field not."""
    assert (published / "keda.sh_scaledobjects.yaml").is_file()
    documents = export(decided(), target).documents
    told = kubectl(*STRICT, text=_list(*documents))
    assert len(documents) == told.count("(server dry run)")
    wrong = {**documents[-1], "spec": {**documents[-1]["spec"], "selectr": {}}}
    assert "selectr" in kubectl(*STRICT, text=_list(wrong), fails=True)


def test_koordinator_s_settings_are_those_that_it_reads(published: Path, kubectl: Command) -> None:
    """Thresholds pass the definition of NodeSLO, co-location has the fields of its module."""
    settings = export(decided(), "koordinator").documents[0]["data"]
    thresholds = json.loads(settings["resource-threshold-config"])["clusterStrategy"]
    slo = {
        "apiVersion": "slo.koordinator.sh/v1alpha1",
        "kind": "NodeSLO",
        "metadata": {"name": "any"},
        "spec": {"resourceUsedThresholdWithBE": thresholds},
    }
    assert "(server dry run)" in kubectl(*STRICT, text=_list(slo))
    module = (published / "slo_controller_config.go").read_text(encoding="utf-8")
    known = set(re.findall(r'json:"(\w+)', module.partition("type ColocationStrategy ")[2]))
    assert set(json.loads(settings["colocation-config"])) <= known
    assert "colocation-config" in module
    assert "resource-threshold-config" in module


def _list(*documents: Any) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
