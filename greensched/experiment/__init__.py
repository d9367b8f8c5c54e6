"""Experiments: a scenario against its baselines, with what its services and jobs got.

run(scenario)    -> Result       three runs of one world: baseline, static-peak, scenario
attribute(scenario) -> Attributed   which switch saves what, by all combinations of them
size(scenario)   -> Sizing       the smallest fleets that keep its objectives, with a bound
compare(a, b)    -> Comparison   two results side by side
Processes(n)     -> Executor     carries out the runs of `run` in n processes
"""

from __future__ import annotations

from greensched.experiment.attribute import attribute
from greensched.experiment.attributed import Attributed
from greensched.experiment.combinations import Question
from greensched.experiment.comparison import Comparison, compare
from greensched.experiment.executor import Executor, Here, Processes
from greensched.experiment.outcome import Outcome
from greensched.experiment.result import Result
from greensched.experiment.run import run
from greensched.experiment.sensitivity import Sensitivity, Spreads, sensitivity
from greensched.experiment.size import size
from greensched.experiment.size_document import Sizing
from greensched.experiment.size_pools import Reserve

__all__ = [
    "Attributed",
    "Comparison",
    "Executor",
    "Here",
    "Outcome",
    "Processes",
    "Question",
    "Reserve",
    "Result",
    "Sensitivity",
    "Sizing",
    "Spreads",
    "attribute",
    "compare",
    "run",
    "sensitivity",
    "size",
]
