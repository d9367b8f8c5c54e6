"""Array types and the codes of integer columns."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
Int32Array: TypeAlias = NDArray[np.int32]
Int8Array: TypeAlias = NDArray[np.int8]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

Role: TypeAlias = Literal["online", "batch", "any", "database"]
ROLE_CODES: dict[str, int] = {"online": 0, "batch": 1, "any": 2, "database": 3}

# Machine states, as the `state` column of a snapshot holds them.
# LEAVING: it runs what it has until an outage that was announced; OUT: failed, or under
# maintenance. No policy can switch either.
OFF, BOOTING, ON, SLEEPING, DRAINING, LEAVING, OUT = range(7)
STATES: tuple[str, ...] = ("off", "booting", "on", "sleeping", "draining", "leaving", "out")

# Phases of lending, as the `lending` column of a snapshot holds them.
OWN, DRAIN, LENT, RECALL, WARM = range(5)
LENDING: tuple[str, ...] = ("own", "drain", "lent", "recall", "warm")

NONE = -1  # "no value" in an integer column
