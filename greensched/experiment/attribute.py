"""`attribute`: which technology saved what, by all combinations of the switches that are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.experiment.combinations import Question
from greensched.experiment.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.experiment.attributed import Attributed
    from greensched.experiment.executor import Executor
    from greensched.experiment.tally import Progress
    from greensched.scenario import Scenario


def attribute(
    scenario: Scenario,
    *,
    groups: Sequence[Sequence[str]] = (),
    orders: int | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Attributed:
    """Return which switch of `scenario` saves what, all combinations of them run.

    `groups` are kinds of policies that count as one switch. With `orders`, or more than six
    switches, so many orders of switching on are drawn with the scenario's seed, where that takes
    fewer runs than all combinations, and each value has a standard error. Raises UsageError for
    groups that name no switch; else as `run`.
    """
    question = Question(groups=tuple(tuple(g) for g in groups), orders=orders)
    result = run(scenario, attribution=question, progress=progress, executor=executor)
    assert result.attribution is not None
    return result.attribution
