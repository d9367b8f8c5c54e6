"""Arrays whose indices are taken as they are, whose records may be asked for ahead; bits of words.

numba counts an index below zero from the end, so it looks at the sign of each. Kernels follow
links from record to record: without those looks a replay takes four fifths of the time. A test
sees that no kernel takes an index below zero (`tests/engine/upwards.py`).
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import ArrayModel
from numba.core.typing.templates import signature
from numba.extending import intrinsic, lower_builtin, register_model
from numba.np import arrayobj

from greensched.compiling.cache import COMPILED

if TYPE_CHECKING:
    from collections.abc import Callable


class View(types.Array):
    """The type of such an array."""


def _unsigned(context: Any, builder: Any, kind: Any, index: Any) -> tuple[Any, Any]:
    """Return type and value of an index, or of a tuple of them, as numbers without a sign."""
    if not isinstance(kind, types.BaseTuple):
        return types.uintp, context.cast(builder, index, kind, types.uintp)
    signed: Any = kind
    plain: Any = types.UniTuple(types.uintp, len(signed))
    places = cgutils.unpack_tuple(builder, index)
    return plain, context.make_tuple(
        builder,
        plain,
        [context.cast(builder, places[k], signed[k], types.uintp) for k in range(len(places))],
    )


def _on_unsigned(numba_does: Any) -> Any:
    """Return how an item is read or written: as numba does it, at an index without a sign."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, index = _unsigned(context, builder, sig.args[1], args[1])
        plain = signature(sig.return_type, sig.args[0], kind, *sig.args[2:])
        return numba_does(context, builder, plain, (args[0], index, *args[2:]))

    return lower


register_model(View)(ArrayModel)
lower_builtin(operator.getitem, View, types.Integer)(_on_unsigned(arrayobj.getitem_arraynd_intp))
lower_builtin(operator.getitem, View, types.BaseTuple)(_on_unsigned(arrayobj.getitem_array_tuple))
lower_builtin(operator.setitem, View, types.Any, types.Any)(_on_unsigned(arrayobj.setitem_array))


def _asking() -> Callable[[Any, int], None]:
    """Return `prefetch`, which does nothing where the compiler is off."""
    if not COMPILED:
        return lambda _records, _i: None
    whole, line_bytes = ir.IntType(32), 64

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view: Any = arrayobj.make_array(sig.args[0])
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, whole, whole, whole])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        at = builder.gep(view(context, builder, args[0]).data, [args[1]])
        record = builder.bitcast(at, byte)
        for part in range(0, sig.args[0].dtype.size, line_bytes):
            to_read, keep, data = whole(0), whole(3), whole(1)
            builder.call(ask, [builder.gep(record, [whole(part)]), to_read, keep, data])
        return context.get_dummy_value()

    def typed(_context: Any, records: Any, _i: Any) -> Any:
        return types.void(records, types.int64), generate

    make: Any = intrinsic
    asking: Callable[[Any, int], None] = make(typed)
    return asking


# prefetch(records, i) asks for a record that is read a little later. It is for places where
# kernels are measured to wait for memory, and changes nothing but that.
prefetch = _asking()


def _place_of_bit(*, lowest: bool) -> Callable[[int], int]:
    """Return what tells the place of the lowest or highest set bit of a number above 0."""
    if not COMPILED:
        return lambda bits: int(bits & -bits if lowest else bits).bit_length() - 1

    def generate(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        never_zero = ir.IntType(1)(1)
        if lowest:
            return builder.cttz(args[0], never_zero)
        return builder.sub(args[0].type(63), builder.ctlz(args[0], never_zero))

    def typed(_context: Any, _bits: Any) -> Any:
        return types.int64(types.int64), generate

    make: Any = intrinsic
    place: Callable[[int], int] = make(typed)
    return place


# One instruction each, where a search through a word of bits is all branches.
lowest_bit = _place_of_bit(lowest=True)
highest_bit = _place_of_bit(lowest=False)
