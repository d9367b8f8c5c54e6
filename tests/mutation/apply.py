"""Puts a mutant into a running process: the code of one function, or one value of a module."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from tests.mutation.mutants import changed

if TYPE_CHECKING:
    import ast

NOT_PLACED = "nothing of it can be put in"


def source_of(module: str) -> str:
    """Return the source of a module."""
    file = import_module(module).__file__
    assert file is not None
    return Path(file).read_text(encoding="utf-8")


def put_in(module: str, function: str, number: int) -> None:
    """Put mutant `number` of a module into this process."""
    put_in_tree(module, function, changed(source_of(module), number))


def put_in_tree(module: str, function: str, tree: ast.Module) -> None:
    """Put the function, or with an empty name all plain values, of a changed tree in.

    A value of the module may also be the default of its functions.

    Raises LookupError where nothing of it changes.
    """
    old = import_module(module)
    fresh = ModuleType(module)
    fresh.__dict__.update(__file__=old.__file__, __package__=old.__package__)
    exec(compile(tree, str(old.__file__), "exec"), fresh.__dict__)  # noqa: S102 our own source
    if function and _put_function(old, fresh, function.split(".")):
        return
    names = [function.split(".", maxsplit=1)[0]] if function else list(vars(fresh))
    put = [_put_value(old, fresh, name) or _put_function(old, fresh, [name]) for name in names]
    if not any(put):
        raise LookupError(NOT_PLACED)


def _put_function(old: ModuleType, fresh: ModuleType, path: list[str]) -> bool:
    """Give a function, or those of a class, the changed code and defaults."""
    was, now = (_found(vars(one), path) for one in (old, fresh))
    if isinstance(was, type) and isinstance(now, type):
        functions = [k for k, v in vars(was).items() if isinstance(v, FunctionType)]
        return any(_put_function(old, fresh, [*path, name]) for name in functions)
    was, now = _plain(was), _plain(now)
    if was is None or now is None:
        return False
    different = was.__code__ != now.__code__
    if different and was.__code__.co_freevars == now.__code__.co_freevars:
        was.__code__ = now.__code__
    kwargs = {
        name: value
        for name, value in (now.__kwdefaults__ or {}).items()
        if isinstance(value, int | float | str | bytes)
    }
    if kwargs and {k: (was.__kwdefaults__ or {}).get(k) for k in kwargs} != kwargs:
        was.__kwdefaults__ = {**(was.__kwdefaults__ or {}), **kwargs}
        different = True
    plain = all(isinstance(v, int | float | str | bytes) for v in now.__defaults__ or ())
    if plain and now.__defaults__ != was.__defaults__:
        was.__defaults__ = now.__defaults__
        different = True
    return different


def _found(names: Any, path: list[str]) -> Any:
    """Return what a dotted path leads to, without binding; None where it leads nowhere."""
    value = None
    for name in path:
        value = names.get(name)
        if value is None:
            return None
        names = getattr(value, "__dict__", {})
    return value


def _plain(value: Any) -> FunctionType | None:
    """Return the function within a property, a static or class method or a wrapper."""
    for name in ("fget", "__func__", "func", "__wrapped__"):
        inner = getattr(value, name, None)
        if inner is not None and not isinstance(value, FunctionType):
            return _plain(inner)
    wrapped = getattr(value, "__wrapped__", None)
    if wrapped is not None:
        return _plain(wrapped)
    return value if isinstance(value, FunctionType) else None


def _put_value(old: ModuleType, fresh: ModuleType, name: str) -> bool:
    """Put a changed value of the module wherever it was imported to."""
    was, now = vars(old).get(name), vars(fresh).get(name)
    if isinstance(was, FunctionType | type | ModuleType) or name.startswith("__"):
        return False
    numbers = isinstance(was, int | float) and isinstance(now, int | float)
    if was == now or not (numbers or type(was) is type(now)):
        return False
    for module in list(sys.modules.values()):
        space = getattr(module, "__dict__", {})
        for key, value in list(space.items()):
            same = value is was and (key == name or not numbers)  # small numbers are all one
            if same and str(space.get("__name__")).startswith(("greensched", "tests")):
                space[key] = now
    return True
