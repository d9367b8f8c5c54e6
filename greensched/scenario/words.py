"""What a scenario's fields report, in words: what was found, what was expected, what to do."""

from __future__ import annotations

import re
import types
import typing
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Final

from pydantic import Tag, ValidationError

from greensched.scenario.types import Spec

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greensched.scenario.source import Path

_QUOTED = re.compile(r"'([^']*)'")
_BOUNDS: Final = {
    "greater_than": ("gt", "is not above"),
    "greater_than_equal": ("ge", "is below"),
    "less_than": ("lt", "is not below"),
    "less_than_equal": ("le", "is above"),
}
_EXPECTED: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "tuple": "a list",
    "dict": "keys with values",
    "model": "keys with values",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A finding before its place in the text is known."""

    path: Path
    what: str
    remedy: str = ""


def frozen(value: Any) -> Any:
    """Return `value` with lists as tuples, as strict checking wants them."""
    if isinstance(value, dict):
        return {k: frozen(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(frozen(v) for v in value)
    return value


def near(name: Any, known: typing.Iterable[str], *, listed: bool = True) -> str:
    """Return the remedy for a name that is not known."""
    names = list(known)
    close = get_close_matches(str(name), names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(filter(None, names))}" if listed and names else ""


def translated(
    error: ValidationError, model: type[Spec], tree: Any, prefix: Path = (), known: str = ""
) -> list[Problem]:
    """Return pydantic's errors in words; `known` names more keys that are allowed."""
    problems = []
    for item in error.errors(include_url=False):
        loc = tuple(item["loc"])
        path = (*prefix, *(s for s in loc if not _is_tag(s)))
        kind = item["type"]
        value = item.get("input")
        context: Mapping[str, Any] = item.get("ctx") or {}
        if kind == "too_short" and isinstance(_at(tree, loc), tuple):
            shortest = int(context.get("min_length", 0))
            if len(_at(tree, loc)) >= shortest:
                continue  # pydantic counts only the items that are right
        if kind == "extra_forbidden":
            keys = [*_keys(model, loc[:-1]), *known.split()]
            problems.append(
                Problem(path=path, what=f"unknown key '{path[-1]}'", remedy=near(path[-1], keys))
            )
            continue
        what, remedy = _words(kind, value, context, str(path[-1]) if path else "", item["msg"])
        problems.append(Problem(path=path, what=what, remedy=remedy))
    return problems


def _words(
    kind: str, value: Any, context: Mapping[str, Any], key: str, message: str
) -> tuple[str, str]:
    """Return what was found and the remedy for one of pydantic's kinds of error."""
    if kind == "scenario":
        return str(context["what"]), str(context["remedy"])
    if kind == "literal_error":
        known = _QUOTED.findall(str(context.get("expected", "")))
        return f"unknown value {_shown(value)}", near(value, known)
    return _plainly(kind, value, context, key) or f"{_shown(value)}: {message}", ""


def _plainly(kind: str, value: Any, context: Mapping[str, Any], key: str) -> str:
    """Return what was found for the kinds of error that have no remedy but the obvious."""
    if kind in _BOUNDS:
        limit, words = _BOUNDS[kind]
        return f"{_shown(value)} {words} {_number(context[limit])}"
    if kind in {"too_short", "too_long"}:
        limit = "min_length" if kind == "too_short" else "max_length"
        return f"{context.get('actual_length')} items; {context.get(limit)} are expected"
    fixed = {
        "missing": f"key '{key}' is missing",
        "string_too_short": "empty text",
        "string_pattern_mismatch": f"{_shown(value)} has other characters than letters, "
        "digits and '._-'",
    }
    expected = _EXPECTED.get(kind.split("_", maxsplit=1)[0])
    if expected and kind.endswith(("_type", "_parsing", "_from_float")):
        return f"{_shown(value)} is not {expected}"
    return fixed.get(kind, "")


def _number(value: Any) -> str:
    """Return a limit as written: 1.0, 0, 2e+04."""
    return f"{value:,}" if isinstance(value, int) else f"{value}"


def _shown(value: Any) -> str:
    """Return a value for an error's text, cut where it is long."""
    if isinstance(value, (dict, tuple, list)):
        return "a list" if not isinstance(value, dict) else "a mapping"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"'{value}'" if isinstance(value, str) else f"{value}"
    return text if len(text) < 80 else text[:76] + "...'"  # noqa: PLR2004 a line of a terminal


def _is_tag(step: Any) -> bool:
    """Return whether a step of pydantic's path names a branch of a union, not a key."""
    return isinstance(step, str) and step.startswith("<") and step.endswith(">")


def _at(tree: Any, loc: tuple[Any, ...]) -> Any:
    """Return the value at `loc` in `tree`, None where there is none."""
    for step in loc:
        if _is_tag(step):
            continue
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, tuple) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def _keys(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """Return the keys that the part of the model at `loc` knows."""
    kind: Any = model
    for step in loc:
        kind = _inside(kind, step)
    kind = _unwrapped(kind)
    if isinstance(kind, type) and issubclass(kind, Spec):
        return [f.alias or name for name, f in kind.model_fields.items()]
    return []


def _unwrapped(kind: Any) -> Any:
    """Return a type without Annotated and without `| None`."""
    if typing.get_origin(kind) is Annotated:
        return _unwrapped(typing.get_args(kind)[0])
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        args = [a for a in typing.get_args(kind) if a is not type(None)]
        return _unwrapped(args[0]) if len(args) == 1 else kind
    return kind


def _inside(kind: Any, step: Any) -> Any:
    """Return the type one step into `kind`."""
    if _is_tag(step):
        return next(
            (
                branch
                for branch in _branches(kind)
                if any(isinstance(m, Tag) and m.tag == step for m in branch.__metadata__)
            ),
            None,
        )
    kind = _unwrapped(kind)
    if isinstance(kind, type) and issubclass(kind, Spec):
        by_key = {f.alias or name: f.annotation for name, f in kind.model_fields.items()}
        return by_key.get(step)
    args = typing.get_args(kind)
    if isinstance(step, int):
        return args[0] if args else None
    return args[1] if len(args) == 2 else None  # noqa: PLR2004 a dict's value


def _branches(kind: Any) -> Iterator[Any]:
    """Yield the annotated branches of a union, however it is wrapped."""
    if typing.get_origin(kind) is Annotated and any(
        isinstance(m, Tag) for m in typing.get_args(kind)[1:]
    ):
        yield kind
        return
    for arg in typing.get_args(kind):
        if typing.get_origin(arg) is not None:
            yield from _branches(arg)
