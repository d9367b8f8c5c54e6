"""Where a source can be changed, and how; one change is one mutant.

Changed are operators, comparisons, conditions, numbers, truth values, bytes, min and max, and
statements that do something. Not changed: annotations, decorators, assertions, text (most is
messages), what is formatted into text, and `strict=` of zip, which only guards against us.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SWAPS: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil"}
SKIPPED_FIELDS: Final = {"annotation", "returns", "decorator_list", "type_params"}
SKIPPED: Final = (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change: where it is, what it is, and a key that holds until its function changes."""

    module: str
    function: str  # qualified; empty: of the module itself
    line: int
    what: str
    number: int  # among the module's
    key: str
    text: str  # of the line as it was
    at_import: bool  # a value of the module or of a class, or a default: no test runs its line


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """A place in a tree and what to put there."""

    owner: ast.AST
    field: str
    index: int | None
    new: ast.AST
    line: int
    what: str
    scope: tuple[ast.AST, ...]

    def put(self) -> None:
        """Change the tree."""
        if self.index is None:
            setattr(self.owner, self.field, self.new)
        else:
            getattr(self.owner, self.field)[self.index] = self.new


def mutants(module: str, source: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its source."""
    lines, seen, found = source.splitlines(), dict[str, int](), []
    for number, site in enumerate(_sites(ast.parse(source))):
        function = ".".join(getattr(node, "name", "") for node in site.scope)
        whole = ast.unparse(site.scope[-1]) if site.scope else lines[site.line - 1]
        about = f"{module} {function} {site.what} {lines[site.line - 1].strip()} {whole}"
        seen[about] = seen.get(about, 0) + 1
        digest = hashlib.sha256(f"{about} {seen[about]}".encode()).hexdigest()
        found.append(
            Mutant(
                module=module,
                function=function,
                line=site.line,
                what=site.what,
                number=number,
                key=digest[:12],
                text=lines[site.line - 1].strip(),
                at_import=_at_import(site),
            )
        )
    return found


def _at_import(site: _Site) -> bool:
    inner = site.scope[-1] if site.scope else None
    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
        return site.line < inner.body[0].lineno
    return True


def changed(source: str, number: int) -> ast.Module:
    """Return the tree of a module with its mutant `number` in place."""
    tree = ast.parse(source)
    for count, site in enumerate(_sites(tree)):
        if count == number:
            site.put()
            return ast.fix_missing_locations(tree)
    message = f"there are not {number} mutants"
    raise IndexError(message)


def _sites(tree: ast.Module) -> Iterator[_Site]:
    """Yield every place that can be changed; the tree stays as it is."""
    yield from _within(tree, ())


def _within(node: ast.AST, scope: tuple[ast.AST, ...]) -> Iterator[_Site]:
    for field, value in ast.iter_fields(node):
        if field in SKIPPED_FIELDS:
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if not isinstance(child, ast.AST) or isinstance(child, SKIPPED) or _idle(child):
                continue
            if isinstance(node, ast.Call) and _guards(node, child):
                continue
            at = index if isinstance(value, list) else None
            line = getattr(child, "lineno", getattr(node, "lineno", 0))
            for what, new in _changes(child, node, field):
                yield _Site(
                    owner=node,
                    field=field,
                    index=at,
                    new=new,
                    line=line,
                    what=what,
                    scope=scope,
                )
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            # what is inside a function belongs to the outermost one, which is put in as a whole
            inside = any(isinstance(one, ast.FunctionDef) for one in scope)
            yield from _within(child, (*scope, child) if named and not inside else scope)


def _idle(node: ast.AST) -> bool:
    """Tell whether nothing is done there when the program runs."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
    return False


def _guards(call: ast.Call, child: ast.AST) -> bool:
    """Tell whether it is an argument that only refuses what we never do."""
    return isinstance(child, ast.keyword) and child.arg == "strict"


def _changes(node: ast.AST, owner: ast.AST, field: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield what may stand in the place of `node`, in words and as a tree."""
    swap = SWAPS.get(type(node))
    if swap is not None:
        yield f"{_sign(node)} -> {_sign(swap())}", swap()
    for rule in (_constant, _unary, _name, _statement):
        yield from rule(node)
    if field == "test" and isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript):
        yield "negated", ast.UnaryOp(op=ast.Not(), operand=copy.deepcopy(node))
    if field == "ifs" and isinstance(owner, ast.comprehension):
        yield "always", ast.Constant(value=True)


def _constant(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield f"{value} -> {not value}", ast.Constant(value=not value)
    elif isinstance(value, int | float):
        yield f"{value} -> {value + 1}", ast.Constant(value=value + 1)
    elif isinstance(value, bytes):
        yield f"{value!r} -> longer", ast.Constant(value=value + b"X")


def _unary(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield f"{_sign(node.op)} dropped", copy.deepcopy(node.operand)


def _name(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node, ast.Call):
        return
    function = node.func
    name = getattr(function, "id", getattr(function, "attr", ""))
    if name in NAMES:
        new = copy.deepcopy(node)
        setattr(new.func, "id" if isinstance(function, ast.Name) else "attr", NAMES[name])
        yield f"{name} -> {NAMES[name]}", new
    if name == "abs":
        yield "abs dropped", copy.deepcopy(node.args[0])


def _statement(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    acts = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await)
    if acts or isinstance(node, ast.AugAssign | ast.Raise):
        yield "dropped", ast.Pass()
    if isinstance(node, ast.Continue):
        yield "continue -> break", ast.Break()


def _sign(node: ast.AST) -> str:
    return type(node).__name__
