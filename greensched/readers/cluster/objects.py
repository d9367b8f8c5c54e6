"""The objects in what `kubectl get ... -o json` printed, sorted by kind, each once.

The server is not trusted to be of any version: fields that are missing or null count as absent,
and an object whose fields are of another type is a bad row, refused or dropped as in any table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from greensched.errors import DataError, Finding, escape_control
from greensched.readers.cells import NAME_BYTES_MAX
from greensched.readers.files import plain
from greensched.readers.loading import Bad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from greensched.readers.options import ReadOptions

KINDS: Final = (
    *("Node", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"),
    *("HorizontalPodAutoscaler", "Job", "CronJob"),
)
COMMAND: Final = "kubectl get nodes,pods,deployments,statefulsets,hpa,jobs,cronjobs -A -o json"


class OddError(Exception):
    """An object that is not as the API documents it: what is wrong, and the value."""

    def __init__(self, what: str, value: str = "") -> None:
        """Keep both."""
        super().__init__(what)
        self.what, self.value = what, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object of the API and where it was found."""

    kind: str
    namespace: str  # empty: of the cluster
    name: str
    body: dict[str, Any]
    row: int

    @property
    def title(self) -> str:
        """Return namespace and name."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def labels(self) -> dict[str, str]:
        """Return its labels."""
        return {
            k: v for k, v in mapping(self.body, "metadata", "labels").items() if type(v) is str
        }


@dataclass(slots=True, kw_only=True)
class Objects:
    """All objects of some files by kind, and the bad ones as they are found."""

    bad: Bad
    kinds: dict[str, list[Object]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Object]:
        """Return the objects of a kind."""
        return self.kinds.get(kind, [])

    def each(self, kind: str, make: Callable[[Object], Any]) -> Iterator[Any]:
        """Yield what `make` makes of each object of a kind; an odd one is noted as bad."""
        for one in self.of(kind):
            try:
                made = make(one)
            except OddError as error:
                self.note(one, error)
            else:
                yield made

    def note(self, one: Object, error: OddError) -> None:
        """Note an object as bad; those of one kind and fault are one class."""
        what = f"{one.kind}: {error.what}"
        for i, (known, count, first, cell, remedy) in enumerate(self.bad.classes):
            if known == what:
                self.bad.classes[i] = (known, count + 1, first, cell, remedy)
                return
        self.bad.add(what, 1, one.row, f"{one.title}: {error.value}".rstrip(": "))


def load(files: Sequence[Path], options: ReadOptions) -> Objects:
    """Return the objects in `files`; those in several files are kept once, and counted.

    Raises DataError where a file is no answer of the API in JSON.
    """
    label = ", ".join(Path(f).name for f in files)
    found = Objects(bad=Bad(label=label))
    seen: dict[tuple[str, str, str], Object] = {}
    copies, others = 0, dict[str, int]()
    for path in files:
        for body in _items(Path(path), options.member):
            found.bad.rows += 1
            try:
                one = _object(body, found.bad.rows)
            except OddError as error:
                found.note(Object(kind="object", namespace="", name="", body={},
                                  row=found.bad.rows), error)  # fmt: skip
                continue
            if one.kind not in KINDS:
                others[one.kind] = others.get(one.kind, 0) + 1
                continue
            key = (one.kind, one.namespace, one.name)
            if key not in seen:
                seen[key] = one
                found.kinds.setdefault(one.kind, []).append(one)
            elif seen[key].body == body:
                copies += 1
            else:
                found.note(one, OddError("given again with other values"))
    if not found.bad.rows:
        raise DataError(Finding(where=label, what="no objects", remedy=f"ask with: {COMMAND}"))
    if copies:
        found.findings.append(f"{label}: {copies:,} exact copies of an object dropped")
    if others:
        named = ", ".join(f"{n:,} {escape_control(k[:60])}" for k, n in sorted(others.items()))
        found.findings.append(f"{label}: objects of other kinds are not used: {named}")
    return found


def _items(path: Path, member: str) -> Iterator[Any]:
    """Yield the objects of one file: a List, one object, or several JSON texts in a row."""
    with plain(path, member) as contents:
        try:
            text = contents.read_bytes().decode("utf-8-sig")
            tops = list(_texts(text))
        except (ValueError, RecursionError) as error:
            what = f"is no JSON ({str(error)[:80]})"
            raise DataError(
                Finding(where=path.name, what=what, remedy=f"ask with: {COMMAND}")
            ) from None
    for top in tops:
        kind = top.get("kind") if isinstance(top, dict) else None
        if not isinstance(kind, str):
            what = "is no answer of the Kubernetes API: an object has no kind"
            raise DataError(Finding(where=path.name, what=what, remedy=f"ask with: {COMMAND}"))
        if kind.endswith("List"):
            of = kind.removesuffix("List")  # items of a PodList state no kind of their own
            for item in top.get("items") or []:
                yield {"kind": of, **item} if of and isinstance(item, dict) else item
        else:
            yield top


def _texts(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_constant=_no_number)
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield value


def _no_number(text: str) -> NoReturn:
    message = f"{text} is no number"
    raise ValueError(message)


def _object(body: Any, row: int) -> Object:
    if not isinstance(body, dict):
        what = "not an object"
        raise OddError(what, str(body)[:40])
    name = string(body, "metadata", "name")
    namespace = value(body, "metadata", "namespace")
    for text in (name, namespace or ""):
        if not isinstance(text, str) or len(text.encode()) > NAME_BYTES_MAX:
            what = f"a name longer than {NAME_BYTES_MAX} bytes"
            raise OddError(what, str(text)[:20])
    return Object(
        kind=string(body, "kind"), namespace=namespace or "", name=name, body=body, row=row
    )


def value(body: Any, *path: str) -> Any:
    """Return what stands at `path`, None where it is absent or null; raises OddError."""
    for i, step in enumerate(path):
        if body is None:
            return None
        if not isinstance(body, dict):
            what = f"{'.'.join(path[:i])}: not a mapping"
            raise OddError(what, str(body)[:40])
        body = body.get(step)
    return body


def mapping(body: Any, *path: str) -> dict[str, Any]:
    """Return the mapping at `path`, empty where it is absent; raises OddError."""
    return _typed(value(body, *path), {}, dict, "a mapping", path)  # type: ignore[no-any-return]


def sequence(body: Any, *path: str) -> list[Any]:
    """Return the list at `path`, empty where it is absent; raises OddError."""
    return _typed(value(body, *path), [], list, "a list", path)  # type: ignore[no-any-return]


def string(body: Any, *path: str, default: str | None = None) -> str:
    """Return the text at `path`; raises OddError where it is absent and there is no default."""
    return _typed(value(body, *path), default, str, "text", path)  # type: ignore[no-any-return]


def integer(body: Any, *path: str, default: int | None = None) -> int:
    """Return the whole number of 0 or more at `path`; raises OddError."""
    found = _typed(value(body, *path), default, int, "a whole number", path)
    if isinstance(found, bool) or found < 0:
        what = f"{'.'.join(path)}: not a whole number of 0 or more"
        raise OddError(what, str(found))
    return int(found)


def _typed(found: Any, default: Any, kind: type, noun: str, path: tuple[str, ...]) -> Any:
    if found is None and default is not None:
        return default
    if not isinstance(found, kind):
        what = f"{'.'.join(path)}: {'missing' if found is None else f'not {noun}'}"
        raise OddError(what, "" if found is None else str(found)[:40])
    return found
