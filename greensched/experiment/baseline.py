"""The baseline of a scenario: what its kind means, with what is known of its own autoscalers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greensched import registry
from greensched.errors import Finding, ScenarioError, plural
from greensched.policies.autoscaled import Autoscaled, AutoscaledAsTheyAre
from greensched.scenario.words import near

if TYPE_CHECKING:
    from greensched.model import Services
    from greensched.policies.baselines import Baseline
    from greensched.scenario import Scenario


def baseline_for(scenario: Scenario, services: Services | None) -> Baseline:
    """Return the scenario's baseline, its autoscaler set as the scenario says.

    Raises ScenarioError for targets of services that the demand does not have.
    """
    spec = scenario.baseline
    base: Baseline = registry.load("baseline", spec.kind)
    settings: dict[str, Any] = {}
    if spec.machines_min is not None:
        settings["machines_min"] = spec.machines_min
    if spec.empty is not None:
        settings["empty_ms"] = spec.empty
    if spec.targets is None:
        return replace(base, policies=(Autoscaled(**settings),)) if settings else base
    names = () if services is None else services.names
    _check_names(scenario, tuple(spec.targets), names)
    targets = tuple(spec.targets.get(name, 0.0) for name in names)
    text = (
        f"{base.text}; {plural(len(spec.targets), 'service')} scaled as they are, the others not"
    )
    policy = AutoscaledAsTheyAre(targets=targets, **settings)
    return replace(base, text=text, policies=(policy,))


def _check_names(scenario: Scenario, given: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Raise for names that are no service's."""
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ScenarioError(
            *(
                Finding(
                    where=scenario.source.where(("baseline", "targets", name)),
                    what=f"no service '{name}'",
                    remedy=near(name, names[:20]),
                )
                for name in unknown
            )
        )
