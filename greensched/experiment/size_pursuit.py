"""Several searches for the smallest fleet at a time: each asks, and is told what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from greensched.experiment.executor import Executor, Tell
    from greensched.experiment.size_probe import Task, Verdict
    from greensched.experiment.size_search import Ask, Found, Known, Search
    from greensched.experiment.tally import Tally
    from greensched.model import Policy

    Policies = tuple[Policy, ...]

RUNS: Final = 16  # that a search typically takes; for what is told of the time left only


@dataclass(slots=True)
class Pursued:
    """One search: what it asks for now, and what it found."""

    policies: Policies
    steps: Search
    asked: list[Ask] = field(default_factory=list)
    found: Found | None = None
    tried: int = 0

    def go_on(self, answers: Known | None) -> None:
        """Let the search take answers and ask again, unless it has ended."""
        if self.found is not None:
            return  # what it might have needed came after all that it did need
        try:
            self.asked = next(self.steps) if answers is None else self.steps.send(answers)
        except StopIteration as stop:
            self.asked, self.found = [], stop.value


@dataclass(frozen=True, slots=True)
class Trial:
    """A run that the search `name` asks for; `what` says how far all searches are."""

    name: str
    what: str
    ask: Ask
    task: Task


def tried(trial: Trial, tell: Tell) -> Verdict:
    """Return what a run says."""
    from greensched.experiment.size_probe import probe

    return probe(trial.task, None if tell is None else partial(tell, trial.what))


class Pursuit:
    """All searches of a scenario.

    What one needs is tried first, then what one may need next. What is found depends on neither.
    """

    def __init__(
        self,
        searches: dict[str, Pursued],
        task: Callable[[Policies, Ask], Task],
        counted: Tally | None,
    ) -> None:
        """Begin the searches; `task` gives the run that answers."""
        self._searches, self._task, self._counted = searches, task, counted
        self._begun: set[tuple[str, Ask]] = set()
        for one in searches.values():
            one.go_on(None)

    def through(self, executor: Executor) -> dict[str, Found]:
        """Return what each search finds."""
        self._expect()
        executor.pursue(tried, self._wanted, self._take, self._useless, self._counted)
        return {name: one.found for name, one in self._searches.items() if one.found is not None}

    def _wanted(self) -> Trial | None:
        """Return what to try next: the first that any search needs, else its first hint."""
        asked = [(name, one.asked) for name, one in self._searches.items() if one.asked]
        first = [(name, asks[0]) for name, asks in asked]
        rest = [(name, ask) for name, asks in asked for ask in asks[1:]]
        for name, ask in (*first, *rest):
            if (name, ask) not in self._begun:
                self._begun.add((name, ask))
                policies = self._searches[name].policies
                task = self._task(policies, ask)
                return Trial(name=name, what=self._what, ask=ask, task=task)
        return None

    @property
    def _what(self) -> str:
        """Return how many searches have ended, in words."""
        found = sum(one.found is not None for one in self._searches.values())
        return f"sizes, {found} of {len(self._searches)} fleets found"

    def _take(self, trial: Trial, verdict: Verdict | None) -> None:
        """Tell a search what it asked for; a run that was given up may be begun again."""
        search = self._searches[trial.name]
        if verdict is None:
            self._begun.remove((trial.name, trial.ask))
        else:
            search.tried += 1
            search.go_on({trial.ask: verdict})
        self._expect()

    def _useless(self, trial: Trial) -> bool:
        """Say whether a search has found out that it does not need a run."""
        return trial.ask not in self._searches[trial.name].asked

    def _expect(self) -> None:
        """Say how many runs are likely to come: nobody knows before a search has ended."""
        if self._counted is not None:
            open_ones = [one for one in self._searches.values() if one.found is None]
            left = sum(max(1, RUNS - one.tried) for one in open_ones)
            self._counted.expect(left, guessed=True)
