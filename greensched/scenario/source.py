"""A scenario's text: YAML 1.2 to plain values, each with the line it came from.

Refused at the edge: aliases, anchors and tags, duplicate keys, keys that are not text, NaN and
infinity, more than 1 MiB, nesting deeper than 50, control characters.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from greensched.errors import Finding, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as FilePath

BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 50
INTEGER_MAX: Final = 2**63 - 1

Path: TypeAlias = tuple[str | int, ...]
_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The plain values of a text and the place (line, column; from 1) of each path in it.

    `given` are the paths whose values do not stand in the text, as they were written (`--set`).
    """

    name: str
    tree: dict[str, Any]
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    given: Mapping[Path, str] = field(default_factory=dict, compare=False)

    def where(self, path: Path) -> str:
        """Return `name:line:column  a.b[0]`, with the place of the nearest known parent.

        Of what was given beside the text how it was written.
        """
        for end in range(len(path), 0, -1):
            if path[:end] in self.given:
                return f"--set {dotted((self.given[path[:end]], *path[end:]))}"
        parts = [text for at, text in self.given.items() if path and at[: len(path)] == path]
        if parts and path not in self.places:
            return f"--set {parts[0]}"
        known = path
        while known and known not in self.places:
            known = known[:-1]
        line, column = self.places.get(known, (1, 1))
        at = f"{self.name}:{line}:{column}" if self.places else self.name
        return f"{at}  {dotted(path)}" if path else at


def dotted(path: Path) -> str:
    """Return `path` as it is written for people: `sites[0].pue`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_file(path: FilePath, remedy: str = "") -> tuple[Source, str]:
    """Return the values of a YAML file and its SHA-256, or raise ScenarioError with all wrong."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(BYTES_MAX + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise ScenarioError(Finding(where=str(path), what=what, remedy=remedy)) from None
    except UnicodeDecodeError:
        raise ScenarioError(Finding(where=str(path), what="not UTF-8 text")) from None
    return read_text(text, path.name), hashlib.sha256(raw).hexdigest()


def read_text(text: str, name: str) -> Source:
    """Return the values of the YAML `text`, or raise ScenarioError with all that is wrong."""
    if len(text.encode("utf-8", "surrogatepass")) > BYTES_MAX:
        raise ScenarioError(
            Finding(
                where=name, what="more than 1 MiB", remedy="a scenario is short; move data out"
            )
        )
    try:
        _check_events(text, name)
        root = _yaml().compose(text)
    except MarkedYAMLError as error:
        raise ScenarioError(_syntax(error, name)) from None
    except YAMLError as error:
        raise ScenarioError(Finding(where=name, what=f"not YAML: {_first_line(error)}")) from None
    if not isinstance(root, MappingNode):
        remedy = "begin with 'apiVersion: greensched/v1'"
        raise ScenarioError(Finding(where=name, what="not a mapping of keys", remedy=remedy))
    builder = _Builder(name)
    tree = builder.value(root, ())
    if builder.findings:
        raise ScenarioError(*builder.findings)
    return Source(name=name, tree=tree, places=builder.places)


def read_scalar(text: str) -> Any:
    """Return the value of one YAML scalar, as `--set path=value` writes it; text stays text."""
    node = _yaml().compose(text) if text.strip() else None
    if not isinstance(node, ScalarNode):
        return text
    return _scalar(node)


def _yaml() -> YAML:
    """Return a fresh pure-Python YAML 1.2 reader (they keep state)."""
    return YAML(typ="rt", pure=True)


def _first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _syntax(error: MarkedYAMLError, name: str) -> Finding:
    """Return a syntax error as a finding."""
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    context = f" {error.context}" if error.context else ""
    return Finding(where=where, what=f"not YAML:{context} {error.problem or 'cannot be read'}")


def _check_events(text: str, name: str) -> None:
    """Refuse, in one flat pass, what must not reach the recursive composer."""
    depth = 0
    documents = 0
    findings: list[Finding] = []
    for event in _yaml().parse(text):
        kind = type(event).__name__
        place = f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
        documents += kind == "DocumentStartEvent"
        if isinstance(event, NodeEvent) and event.anchor is not None:
            what = "alias" if isinstance(event, AliasEvent) else "anchor"
            findings.append(
                Finding(
                    where=place,
                    what=f"{what} '{event.anchor}' is not allowed",
                    remedy="write the value out",
                )
            )
        if isinstance(event, (ScalarEvent, MappingStartEvent, SequenceStartEvent)) and event.tag:
            findings.append(Finding(where=place, what=f"tag '{event.tag}' is not allowed"))
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            depth += 1
            if depth > DEPTH_MAX:
                raise ScenarioError(
                    Finding(where=place, what=f"nested deeper than {DEPTH_MAX} levels")
                )
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            depth -= 1
    if documents > 1:
        findings.append(Finding(where=name, what=f"{documents} documents; one is expected"))
    if findings:
        raise ScenarioError(*findings)


def _scalar(node: ScalarNode) -> Any:
    """Return the plain value of a scalar: text, int, float, bool or None."""
    tag = str(node.tag).removeprefix(_CORE)
    text = str(node.value)
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return _integer(text)
    if tag == "float":
        return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    return text  # also timestamps: the field says what it is


def _integer(text: str) -> int:
    """Return a YAML 1.2 integer: decimal (also with leading zeros), 0x or 0o."""
    digits = text.replace("_", "")
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits.lstrip("+-")[:2].lower(), 10)
    return int(digits, base)


class _Builder:
    """Turns nodes into values, and remembers places and what is wrong."""

    def __init__(self, name: str) -> None:
        """Begin with nothing found."""
        self.name = name
        self.places: dict[Path, tuple[int, int]] = {}
        self.findings: list[Finding] = []

    def value(self, node: Any, path: Path) -> Any:
        """Return the value of `node`, which stands at `path`."""
        self.places.setdefault(path, _place(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        value = _scalar(node)
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(path, f"{node.value} is not a number that can be used")
        if isinstance(value, int) and abs(value) > INTEGER_MAX:
            self._refuse(path, "too large for an integer of 64 bits")
        if isinstance(value, str) and not all(c.isprintable() or c in "\n\t" for c in value):
            self._refuse(path, "control characters are not allowed")
        return value

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        """Return a mapping's values; duplicate keys and keys that are not text are found."""
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else None
            if not isinstance(key, str) or not key.isprintable():
                line, column = _place(key_node)
                where = f"{self.name}:{line}:{column}  {dotted(path)}".rstrip()
                self.findings.append(Finding(where=where, what="a key must be plain text"))
                continue
            inner = (*path, key)
            if key in result:
                line, column = _place(key_node)
                where = f"{self.name}:{line}:{column}  {dotted(inner)}"
                first = self.places[inner][0]
                self.findings.append(
                    Finding(where=where, what=f"key '{key}' is given twice, first in line {first}")
                )
                continue
            self.places[inner] = _place(key_node)
            result[key] = self.value(value_node, inner)
        return result

    def _refuse(self, path: Path, what: str) -> None:
        """Remember a finding at `path`."""
        line, column = self.places[path]
        self.findings.append(
            Finding(where=f"{self.name}:{line}:{column}  {dotted(path)}", what=what)
        )


def _place(node: Any) -> tuple[int, int]:
    """Return a node's line and column, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1
