"""Checks of a policy's settings, made once when the policy is built."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


def check(
    policy: object,
    *,
    shares: Iterable[str] = (),
    positive: Iterable[str] = (),
    natural: Iterable[str] = (),
    findings: Iterable[Finding] = (),
) -> None:
    """Refuse settings outside of their range, all of them at once.

    `shares` must lie in [0, 1], `positive` be above 0 and `natural` at or above 0; `findings`
    are added to what is found. Raises `UsageError`.
    """
    found = list(findings)
    for names, least, most, expected in (
        (shares, 0.0, 1.0, "a share between 0 and 1"),
        (positive, math.ulp(0.0), math.inf, "a number above 0"),
        (natural, 0.0, math.inf, "0 or above"),
    ):
        for name in names:
            value = getattr(policy, name)
            if not least <= value <= most:
                what = f"{value} cannot be; expected {expected}"
                found.append(Finding(where=name, what=what))
    if found:
        raise UsageError(*found)
