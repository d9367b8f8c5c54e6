"""Quantities as Kubernetes writes them: `100m`, `1.5`, `64Gi`, `129e6`.

Source: Kubernetes API reference, `resource.Quantity`: a decimal number with a suffix of n, u, m,
k, M, G, T, P, E (powers of 1000), Ki .. Ei (powers of 1024), or an exponent. Larger than needed
is safe, so fractions are rounded up, as the scheduler does.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

from greensched.readers.cells import INT32_MAX
from greensched.readers.cluster.objects import OddError
from greensched.units import GPU_M_PER_GPU

_QUANTITY: Final = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)"
)
_SUFFIX: Final = {
    **{s: Fraction(1000) ** i for i, s in enumerate(("n", "u", "m", "", "k", "M", "G"), -3)},
    **{s: Fraction(1000) ** i for i, s in enumerate(("T", "P", "E"), 4)},
    **{s + "i": Fraction(1024) ** i for i, s in enumerate("KMGTPE", 1)},
}
MIB: Final = 2**20
LENGTH_MAX: Final = 64  # characters; longer is no quantity


def exact(value: object, called: str) -> Fraction:
    """Return the number that a quantity stands for; raise OddError where it is none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = str(value) if number else value
    found = None
    if isinstance(text, str) and len(text) <= LENGTH_MAX:
        found = _QUANTITY.fullmatch(text)
    if found is None:
        what = f"{called}: no quantity"
        raise OddError(what, str(value))
    digits, exponent, suffix = found.groups()
    size = Fraction(digits) * (
        Fraction(10) ** int(exponent) if exponent else _SUFFIX[suffix or ""]
    )
    if size < 0:
        what = f"{called}: negative"
        raise OddError(what, str(value))
    return size


def millicores(value: object) -> int:
    """Return CPU [millicores], rounded up."""
    return _held(exact(value, "cpu") * 1000, "cpu", value)


def mebibytes(value: object) -> int:
    """Return memory [MiB], rounded up."""
    return _held(exact(value, "memory") / MIB, "memory", value)


def whole(value: object, called: str) -> int:
    """Return a count, such as of GPUs; raise OddError for a fraction."""
    size = exact(value, called)
    if size.denominator != 1:
        what = f"{called}: not a whole number"
        raise OddError(what, str(value))
    return _held(size * GPU_M_PER_GPU, called, value) // GPU_M_PER_GPU


def _held(size: Fraction, called: str, value: object) -> int:
    """Return a size rounded up; raise OddError where it is more than a column holds."""
    if size > INT32_MAX:
        what = f"{called}: more than is held"
        raise OddError(what, str(value)[:40])
    return math.ceil(size)
