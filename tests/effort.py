"""How many examples a property is tried on: all of them in CI, a third in `make test`."""

from __future__ import annotations

import math

from hypothesis import settings

WHOLE = 100  # examples of a property that names no number, where everything is tried


def examples(whole: int) -> int:
    """Scale a property's number of examples as the profile scales those that name none."""
    return math.ceil(whole * settings().max_examples / WHOLE)
