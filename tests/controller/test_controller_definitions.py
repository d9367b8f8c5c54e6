"""The shipped definitions of our kinds say what the code reads and writes."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel
from ruamel.yaml import YAML

from greensched.controller import deferral
from greensched.controller.api import DEFERRALS, POLICIES, Kind
from greensched.controller.policy import Spec
from tests.conftest import ROOT

CRDS = ROOT / "k8s" / "chart" / "crds"


def _definition(kind: Kind) -> Any:
    return YAML(typ="safe").load(CRDS / f"{kind.plural}.yaml")


def _spec(kind: Kind) -> Any:
    (version,) = _definition(kind)["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the model within a field's type, through unions and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for part in get_args(annotation) if (m := _model(part))), None)


def _differences(model: type[BaseModel], schema: Any, where: str = "spec") -> list[str]:
    """Return the fields that only one of model and schema has, or only one of them requires."""
    fields = {field.alias: field for field in model.model_fields.values()}
    shown = schema.get("properties", {})
    found = [f"{where}.{name}" for name in fields.keys() ^ shown.keys()]
    required = {name for name, field in fields.items() if field.is_required()}
    found += [f"{where}.{name}: required" for name in required ^ set(schema.get("required", ()))]
    for name in fields.keys() & shown.keys():
        inner = _model(fields[name].annotation)
        if inner is not None:
            below = shown[name].get("additionalProperties", shown[name])
            found += _differences(inner, below, f"{where}.{name}")
    return found


def test_policies_are_defined_as_they_are_read() -> None:
    """The definition of a policy has exactly the fields that are read, and requires the same."""
    assert [] == sorted(_differences(Spec, _spec(POLICIES)))


def test_a_field_that_is_missing_is_found() -> None:
    """A field that the definition lacks, or does not require, is told."""
    schema = {**_spec(POLICIES), "required": ["zone"]}
    schema["properties"] = {k: v for k, v in schema["properties"].items() if k != "paused"}
    found = ["spec.paused", "spec.provider: required"]
    assert found == sorted(_differences(Spec, schema))


def test_records_are_defined_as_they_are_written() -> None:
    """The definition of a record names no field that is not written, and all its phases."""
    shown = _spec(DEFERRALS)["properties"]
    assert set() == shown.keys() - set(deferral._KEYS.values())
    phases = {*deferral.OPEN, deferral.ENDED, deferral.GONE}
    assert phases == set(shown["phase"]["enum"])


def test_kinds_are_named_alike() -> None:
    """Group, version, names and scope in the definitions are those that the code asks for."""
    for kind in (POLICIES, DEFERRALS):
        said = _definition(kind)
        (version,) = said["spec"]["versions"]
        assert f"{kind.plural}.{kind.group}" == said["metadata"]["name"]
        assert (kind.group, kind.version) == (said["spec"]["group"], version["name"])
        assert kind.namespaced == (said["spec"]["scope"] == "Namespaced")
        assert kind.name == said["spec"]["names"]["kind"]
