"""What a scenario saves where only a part of the jobs that are assumed to wait may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from greensched.scenario import Scenario

    Savings: TypeAlias = Mapping[str, Any]

SHARES: Final = (0.1, 0.5)  # beside all of them
PATH: Final = "classify.assumed_share"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtShare:
    """What is saved where `share` of the jobs that are assumed to wait may."""

    share: float
    energy_facility_kwh: float
    scope2_location_kg: float

    @property
    def summary(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "share": self.share,
            "energy_facility_kwh": self.energy_facility_kwh,
            "scope2_location_kg": self.scope2_location_kg,
        }


def is_asked(scenario: Scenario) -> bool:
    """Say whether jobs are assumed to wait, all of them, and a switch would let them."""
    spec = scenario.spec.classify
    if spec is None or not spec.is_assumed or spec.assumed_share < 1.0:
        return False
    return any(policy.kind.startswith("shifting") for policy in scenario.policies)


def at_shares(
    scenario: Scenario, whole: Savings, again: Callable[[Scenario], Savings]
) -> tuple[AtShare, ...]:
    """Return what the scenario saves at 10 and 50 % of the assumed jobs, and `whole` at all.

    `again` runs a scenario and returns its savings as `summary.json` has them; the same jobs wait
    at each share, and more at a larger one.
    """
    parts = [(share, again(scenario.overridden({PATH: share}))) for share in SHARES]
    return tuple(_saved(share, saved) for share, saved in (*parts, (1.0, whole)))


def _saved(share: float, saved: Savings) -> AtShare:
    return AtShare(
        share=share,
        energy_facility_kwh=saved["energy_facility_kwh"],
        scope2_location_kg=saved["scope2_location_kg"],
    )


def told(shares: tuple[AtShare, ...]) -> tuple[str, ...]:
    """Return it in words."""
    if not shares:
        return ()
    parts = ", ".join(
        f"{one.scope2_location_kg:,.3g} kg ({one.energy_facility_kwh:,.3g} kWh) at "
        f"{100 * one.share:g} %"
        for one in shares
    )
    return (f"which jobs may wait is assumed; saved where so many of them may: {parts}",)
