"""Memories of policies as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.errors import DataError
from greensched.policies.hpa import HpaMemory
from greensched.policies.memory import from_json, frozen, to_json

if TYPE_CHECKING:
    from greensched.model import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nested:
    """A memory with each kind of field."""

    inner: HpaMemory
    shares: FloatArray
    at_ms: int
    broken: bool


FIRST = Nested(inner=HpaMemory(), shares=np.empty(0), at_ms=0, broken=False)


def test_round_trip_is_exact() -> None:
    """Floats, shapes, flags and nested memories come back bit for bit, read-only."""
    counts = np.arange(6).reshape(2, 3)
    inner = HpaMemory(times_ms=np.array([1, 2]), recommended=counts, present=counts)
    memory = Nested(inner=inner, shares=np.array([0.1 + 0.2, 1e-300]), at_ms=5, broken=True)
    read = from_json(to_json(memory), FIRST)
    assert memory.shares.tobytes() == read.shares.tobytes()
    assert (2, 3) == read.inner.recommended.shape
    assert (5, True) == (read.at_ms, read.broken)
    assert not read.shares.flags.writeable


def test_an_empty_shape_is_kept() -> None:
    """Zero rows of three columns stay zero rows of three columns."""
    memory = HpaMemory(recommended=np.empty((0, 3), np.int64))
    assert (0, 3) == from_json(to_json(memory), HpaMemory()).recommended.shape


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "memory: not JSON"),
        ("[]", "memory: expected the fields inner, shares, at_ms, broken"),
        (to_json(FIRST).replace("float64", "int64"), "memory.shares: int64 of 1 dimensions"),
        (to_json(FIRST).replace('"at_ms":0', '"at_ms":"0"'), "memory.at_ms: '0' is no int"),
        (to_json(FIRST).replace("float64", "floaty"), "memory.shares: no array"),
    ],
)
def test_refuses_what_is_no_memory(text: str, what: str) -> None:
    """Text that is no memory of this type is refused with the place of the fault."""
    with pytest.raises(DataError, match=what.replace(".", r"\.")):
        from_json(text, FIRST)


def test_not_a_number_is_not_written() -> None:
    """A memory with NaN, which would not compare equal again, is not written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Nested(inner=HpaMemory(), shares=np.array([np.nan]), at_ms=0, broken=False))


def test_frozen_is_the_same_array() -> None:
    """Freezing makes an array read-only without a copy."""
    array = np.zeros(2)
    assert frozen(array) is array
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
