"""How kernels reach the world's arrays: through one book of addresses.

A World has more than twenty arrays; handing them from function to function by value would make
compiled code large and its compilation slow. A kernel takes the address of a *book* instead:
address and shape of each array, from which `mach_of(world)` and its like make views that own
nothing. The caller keeps book and arrays alive. With the compiler switched off the World itself
stands for its book's address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

from greensched.compiling import COMPILED
from greensched.compiling.views import View
from greensched.engine.kernels import layout as form

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WIDTH = 3  # numbers a row of the book: address, first and second length

WORLD_DTYPES: dict[str, Any] = {
    "w": form.SCALARS,
    "mach": form.MACHINE,
    "slot": form.SLOT,
    "wait": form.WAIT,
    "lane": form.LANE,
    "queue": np.int64,
    "rep": form.REPLICA,
    "svc": form.SERVICE,
    "cls": form.CLASS,
    "timer": form.TIMER,
    "head": np.int64,
    "block": np.int64,
    "most_mib": np.int64,
    "spots": np.int64,
    "freed": np.int64,
    "link": form.LINK,
    "heap": form.PLACE_IN_HEAP,
    "tree": np.int64,
    "next_ms": np.int64,
    "next_who": np.int64,
    "tour": np.int64,
    "gpu_free_m": np.int64,
    "curve": np.float64,
    "load": np.int64,
    "edges": np.int64,
    "energy_mj": np.float64,
    "machine_ms": np.int64,
    "online_ms": np.int64,
    "short_ms": np.int64,
    "pressed_ms": np.float64,
    "smt_ms": np.float64,
    "press_curve": np.float64,
    "out": form.OUTCOME,
    "learnt": np.int64,
    "held": form.HELD,
    "dbs": form.DATABASE,
    "copy": form.COPY,
    "db_cpu_m": np.int64,
    "db_iops": np.int64,
}
PLANES = frozenset(
    {
        "queue",
        "head",
        "block",
        "most_mib",
        "spots",
        "tree",
        "curve",
        "load",
        "energy_mj",
        "machine_ms",
        "online_ms",
        "short_ms",
        "pressed_ms",
        "smt_ms",
        "press_curve",
        "learnt",
        "db_cpu_m",
        "db_iops",
    }
)  # the two-dimensional ones
JOB_DTYPES: dict[str, Any] = {
    "submit_ms": np.int64,
    "duration_ms": np.int64,
    "cpu_m": np.int32,
    "memory_mib": np.int32,
    "gpu_m": np.int32,
    "tasks": np.int32,
    "estimate_ms": np.int64,
    "job_class": np.int32,
    "size": np.int32,
    "use_offsets": np.int64,
    "use_until_ms": np.int64,
    "use_cpu_m": np.int32,
    "latest_ms": np.int64,
}


def _accessor(row: int, name: str, dtype: Any, *, plane: bool) -> Callable[[Any], Any]:
    """Return the function that makes the view of one array."""
    if not COMPILED:
        return lambda world: getattr(world, name)
    at = row * WIDTH
    kind = View(numba.from_dtype(np.dtype(dtype)), 2 if plane else 1, "C")
    size = np.dtype(dtype).itemsize

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = context.get_value_type(types.CPointer(types.int64))
        pages = builder.inttoptr(arguments[0], pointer)

        def read(i: int) -> Any:
            number = builder.load(builder.gep(pages, [context.get_constant(types.intp, at + i)]))
            # nothing writes to a book: what was read of it once holds for the whole call
            number.set_metadata("invariant.load", builder.module.add_metadata([]))
            return number

        view = context.make_array(kind)(context, builder)
        item = context.get_constant(types.intp, size)
        shape = [read(1), read(2)] if plane else [read(1)]
        strides = [builder.mul(item, shape[1]), item] if plane else [item]
        fill: Any = arrayobj.populate_array
        fill(
            view,
            data=builder.inttoptr(read(0), view.data.type),
            shape=shape,
            strides=strides,
            itemsize=item,
            meminfo=None,
        )
        return view._getvalue()  # noqa: SLF001  (numba's name for the struct's value)

    def typed(_context: Any, _world: Any) -> Any:
        return kind(types.int64), generate

    make: Any = intrinsic
    view_of: Callable[[Any], Any] = make(typed)
    return view_of


def book(arrays: Any, dtypes: dict[str, Any]) -> Any:
    """Return the book of a World or JobTable; its arrays must outlive it, and it its address."""
    if not COMPILED:
        return arrays
    rows = np.zeros((len(dtypes), WIDTH), np.int64)
    for i, (name, dtype) in enumerate(dtypes.items()):
        array: NDArray[Any] = getattr(arrays, name)
        if array.dtype != np.dtype(dtype) or not array.flags.c_contiguous:
            message = f"{name} is {array.dtype}, not contiguous {np.dtype(dtype)}"
            raise TypeError(message)
        rows[i, 0] = array.ctypes.data
        rows[i, 1 : 1 + array.ndim] = array.shape
    return rows.ravel()


def address(rows: Any) -> Any:
    """Return what kernels take: where a book lies."""
    return rows.ctypes.data if COMPILED else rows


_of = {
    name: _accessor(i, name, dtype, plane=name in PLANES)
    for i, (name, dtype) in enumerate(WORLD_DTYPES.items())
}
(
    w_of,
    mach_of,
    slot_of,
    wait_of,
    lane_of,
    queue_of,
    rep_of,
    svc_of,
    cls_of,
    timer_of,
    head_of,
    block_of,
    most_mib_of,
    spots_of,
    freed_of,
    link_of,
    heap_of,
    tree_of,
    next_ms_of,
    next_who_of,
    tour_of,
    gpu_free_of,
    curve_of,
    load_of,
    edges_of,
    energy_mj_of,
    machine_ms_of,
    online_ms_of,
    short_ms_of,
    pressed_ms_of,
    smt_ms_of,
    press_curve_of,
    out_of,
    learnt_of,
    held_of,
    dbs_of,
    copy_of,
    db_cpu_m_of,
    db_iops_of,
) = _of.values()
_job = {
    name: _accessor(i, name, dtype, plane=False)
    for i, (name, dtype) in enumerate(JOB_DTYPES.items())
}
(
    submit_ms_of,
    duration_ms_of,
    cpu_m_of,
    memory_mib_of,
    gpu_m_of,
    tasks_of,
    estimate_ms_of,
    job_class_of,
    size_of,
    use_offsets_of,
    use_until_ms_of,
    use_cpu_m_of,
    latest_ms_of,
) = _job.values()
