"""`--fail-if 'service.violation_min > 0'`: one comparison, read by hand, nothing evaluated."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import Finding, UsageError, together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_SHAPE: Final = re.compile(
    r"\s*([A-Za-z_][\w.:/-]*)\s*(<=|>=|==|!=|<|>)\s*"
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|true|false)\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A comparison of one value of the summary with a number (true is 1, false 0)."""

    text: str
    path: str
    sign: str
    bound: float

    def check(self, schema: Mapping[str, Any]) -> None:
        """Raise UsageError where no summary of `schema` has a value at the path."""
        scenario = _part(schema, schema["properties"]["scenario"])
        if not any(_leads(schema, part, self.path) for part in (scenario, schema)):
            known = [*_named(schema, scenario), *_named(schema, schema)]
            raise self._nowhere(known)

    def failure(self, summary: Mapping[str, Any]) -> str:
        """Return why the gate fails on `summary`, empty where it holds.

        The path starts in `scenario`, else at the summary's root. A value that is not known
        (null) fails: what cannot be told is not shown to be good. Raises UsageError for a path
        that leads nowhere.
        """
        value = self._value(summary)
        if value is None:
            return f"gate '{self.text}' fails: {self.path} is not known (null)"
        if OPERATORS[self.sign](float(value), self.bound):
            return f"gate '{self.text}' fails: {self.path} is {value}"
        return ""

    def _value(self, summary: Mapping[str, Any]) -> Any:
        for root in (summary["scenario"], summary):
            found, value = _at(root, self.path)
            if found and (value is None or isinstance(value, int | float)):
                return value
        raise self._nowhere([*_paths(summary["scenario"]), *_paths(summary)])

    def _nowhere(self, known: list[str]) -> UsageError:
        """Return the error of a path that leads nowhere, with the nearest that do."""
        from difflib import get_close_matches

        near = get_close_matches(self.path, dict.fromkeys(known), n=3)
        remedy = f"near: {', '.join(near)}" if near else "see the keys of summary.json"
        what = f"the summary has no number '{self.path}'"
        return UsageError(Finding(where=f"--fail-if '{self.text}'", what=what, remedy=remedy))


def read_gates(texts: Sequence[str]) -> list[Gate]:
    """Return the gates that `texts` write; raises UsageError with every one that cannot be."""
    if not texts:
        return []
    from greensched.report.schema import summary_schema

    schema = summary_schema()

    def checked(text: str) -> Gate:
        gate = read_gate(text)
        gate.check(schema)
        return gate

    return together(partial(checked, text) for text in texts)


def read_gate(text: str) -> Gate:
    """Return the gate that `text` writes; raises UsageError for anything but one comparison."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise UsageError(
            Finding(
                where=f"--fail-if '{text}'",
                what="is not 'PATH SIGN NUMBER'",
                remedy="for example 'service.violation_min > 0'",
            )
        )
    path, sign, bound = match.groups()
    number = float(bound == "true") if bound in ("true", "false") else float(bound)
    return Gate(text=text, path=path, sign=sign, bound=number)


def _at(root: Any, path: str) -> tuple[bool, Any]:
    """Return whether there is something at `path`, and what; names may hold dots."""
    if path == "":
        return True, root
    if not isinstance(root, dict):
        return False, None
    for key, value in root.items():
        if path == key:
            return True, value
        if path.startswith(f"{key}."):
            found, inner = _at(value, path[len(key) + 1 :])
            if found:
                return True, inner
    return False, None


def _part(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node of a JSON Schema, a reference followed."""
    if "$ref" not in node:
        return node
    target: Any = schema
    for key in node["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return _part(schema, target)


def _leads(schema: Mapping[str, Any], node: Mapping[str, Any], path: str) -> bool:
    """Say whether the schema lets `path` lead somewhere below `node`."""
    node = _part(schema, node)
    key, _, rest = path.partition(".")
    inner = node.get("properties", {}).get(key)
    if inner is not None:
        return not rest or _leads(schema, inner, rest)
    return isinstance(node.get("additionalProperties"), dict)  # any name, such as a service's


def _named(schema: Mapping[str, Any], node: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the paths that the schema names below `node`."""
    found = []
    for key, inner in _part(schema, node).get("properties", {}).items():
        path = f"{prefix}.{key}" if prefix else key
        found += _named(schema, inner, path) or [path]
    return found


def _paths(root: Any, prefix: str = "") -> list[str]:
    """Return the paths of the numbers below `root`."""
    if isinstance(root, dict):
        return [p for k, v in root.items() for p in _paths(v, f"{prefix}.{k}" if prefix else k)]
    return [prefix] if isinstance(root, int | float) else []
