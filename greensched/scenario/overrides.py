"""`--set path=value`: any scalar of a scenario, by index, by name or by kind."""

from __future__ import annotations

import copy
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from greensched.errors import Finding, UsageError
from greensched.scenario.source import Path, dotted, read_scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Parts with defaults: they may be overridden where the file does not write them.
_PARTS = frozenset(
    (
        *("history", "slo", "baseline", "queue", "prices", "calibration"),
        *("boot", "sleep", "off", "reserved", "embodied", "gpu_power"),
        *("pools", "calendar"),
    )
)
_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


def with_overrides(
    tree: Mapping[str, Any], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Finding]]:
    """Return `tree` with the scalars replaced whose paths can be, and what the others lack.

    A path is `fleet.0.count`, `fleet[0].count`, `fleet.gen8.count` (by name),
    `fleet[m5.large].count` (a name with dots) or `policies.tidal.horizon` (by kind). Text is read
    as YAML, so that `100` is a number. A last key that is not there yet is added (the check of the
    scenario refuses unknown ones).
    """
    result = copy.deepcopy(dict(tree))
    findings: list[Finding] = []
    for text, value in overrides.items():
        try:
            _replace(result, text, read_scalar(value) if isinstance(value, str) else value)
        except UsageError as error:
            findings += error.findings
    return result, findings


def scalar_paths(tree: Any, path: Path = ()) -> list[str]:
    """Return the paths of all scalars in `tree`, as `--set` takes them."""
    if isinstance(tree, dict):
        return [p for k, v in tree.items() for p in scalar_paths(v, (*path, k))]
    if isinstance(tree, list):
        return [p for i, v in enumerate(tree) for p in scalar_paths(v, (*path, _label(v, i)))]
    return [path_text(path)]


def _label(item: Any, index: int) -> str:
    """Return how an item of a list is best named."""
    if isinstance(item, dict):
        for key in ("name", "kind"):
            if isinstance(item.get(key), str):
                return str(item[key])
    return str(index)


def place_of(tree: Any, text: str) -> Path:
    """Return the keys and indices that a path leads to in `tree`, however it is written."""
    place: list[str | int] = []
    for step in _steps(text):
        key = _key(tree, step)
        place.append(step if key is None else key)
        tree = None if key is None else tree[key]
    return tuple(place)


def _steps(text: str) -> list[str]:
    """Return the steps of a path: by dots, and what is in brackets, which may have dots in it."""
    found = (step.strip("'\"") or plain for step, plain in _STEP.findall(text.strip()))
    return [step for step in found if step]


def path_text(steps: Iterable[str | int]) -> str:
    """Return a path as `--set` takes it, names with dots in brackets."""
    text = "".join(f"[{s}]" if "." in str(s) else f".{s}" for s in steps)
    return text.removeprefix(".")


def _replace(tree: dict[str, Any], text: str, value: Any) -> None:
    """Replace the scalar at the path `text` in `tree`."""
    steps = _steps(text)
    if not steps:
        raise UsageError(Finding(where="--set", what="empty path", remedy="write path=value"))
    node: Any = tree
    for i, step in enumerate(steps[:-1]):
        key = _key(node, step)
        new = step in _PARTS or steps[max(0, i - 1)] == "pools"  # which has any names
        if key is None and isinstance(node, dict) and new:
            key = step
            node[key] = {}
        if key is None:
            raise _unknown(tree, text, steps[: i + 1])
        node = node[key]
    if isinstance(node, list):
        key = _key(node, steps[-1])
    else:
        key = steps[-1] if isinstance(node, dict) else None
    if key is None:
        raise _unknown(tree, text, steps)
    if isinstance(node, dict) and isinstance(node.get(key), (dict, list)) and not _widens(value):
        raise UsageError(
            Finding(
                where=f"--set {text}",
                what="not a scalar: it has parts of its own",
                remedy="for example " + scalar_paths(node[key], tuple(steps))[0],
            )
        )
    node[key] = value


def _widens(value: Any) -> bool:
    """Return whether `value` may replace a whole part: only values given in Python can."""
    return isinstance(value, (dict, list))


def _key(node: Any, step: str) -> Any:
    """Return the key or index that `step` names in `node`; None where there is none."""
    if isinstance(node, dict):
        return step if step in node else None
    if not isinstance(node, list):
        return None
    if step.isdigit():
        return int(step) if int(step) < len(node) else None
    return next((i for i, item in enumerate(node) if _named(item, step)), None)


def _named(item: Any, step: str) -> bool:
    """Return whether a list's item has the name or kind `step`."""
    return isinstance(item, dict) and step in (item.get("name"), item.get("kind"))


def _unknown(tree: dict[str, Any], text: str, upto: list[str]) -> UsageError:
    """Return the error of a path that leads nowhere, with the nearest paths."""
    known = scalar_paths(tree)
    near = get_close_matches(text, known, n=3, cutoff=0.4)
    remedy = f"near: {', '.join(near)}" if near else "see the keys of the scenario"
    what = f"there is no '{dotted(tuple(upto))}'"
    return UsageError(Finding(where=f"--set {text}", what=what, remedy=remedy))
