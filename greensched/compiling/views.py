"""Arrays whose indices are taken as they are: none is counted from the end.

numba looks at the sign of each index and adds the length to one below zero. Kernels follow links
from record to record, and a look at every step made a replay a fifth slower. A test sees that no
kernel takes an index below zero (`tests/engine/upwards.py`).
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import ArrayModel
from numba.core.typing.templates import signature
from numba.extending import lower_builtin, register_model
from numba.np import arrayobj


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
