"""The few kinds of error that greensched raises on purpose.

    GreenschedError                 base; never raised itself
    ├── UsageError        exit 2    a flag or argument that cannot be
    ├── ScenarioError     exit 2    a scenario file; carries every finding of the file
    ├── DataError         exit 3    rows of a trace, series or ledger
    ├── OutsideError      exit 4    a system that we asked refused or did not answer
    └── InternalError     exit 70   an invariant of ours broke: a bug to report

Each carries findings: where, what was found, what was expected and the remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with an input.

    `where` names the place (`scenario.yaml:14:7  policies[1].kind`), `what` the value found
    and why it cannot be, `remedy` the nearest fix (may be empty).
    """

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the finding as one line, control characters escaped."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return escape_control(f"{text}; {self.remedy}" if self.remedy else text)


def escape_control(text: str) -> str:
    """Return `text` with control characters written as escapes, safe for a terminal or log."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def plural(count: int, noun: str) -> str:
    """Return `1 job` or `20,153 jobs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class GreenschedError(Exception):
    """Base of all errors that are raised on purpose; `exit_code` is the process's."""

    exit_code: int = 70

    def __init__(self, *findings: Finding | str) -> None:
        """Collect findings; a plain string is a finding without a place."""
        self.findings: tuple[Finding, ...] = tuple(
            Finding(where="", what=f) if isinstance(f, str) else f for f in findings
        )
        super().__init__("\n".join(str(f) for f in self.findings))


class UsageError(GreenschedError):
    """A flag or argument that cannot be."""

    exit_code = 2


class ScenarioError(GreenschedError):
    """A scenario that cannot be run; carries every finding of the file at once."""

    exit_code = 2


class DataError(GreenschedError):
    """Rows of a trace, series or ledger that cannot be trusted."""

    exit_code = 3


class OutsideError(GreenschedError):
    """A system outside greensched refused or did not answer."""

    exit_code = 4


class InternalError(GreenschedError):
    """An invariant of greensched broke: a bug to report."""

    exit_code = 70


def together(makers: Iterable[Callable[[], Any]]) -> list[Any]:
    """Return what each of `makers` gives; a user's mistakes in several are told at once.

    Raises one error of the kind of the first, with the findings of all, each once.
    """
    made: list[Any] = []
    wrong: list[GreenschedError] = []
    for make in makers:
        try:
            made.append(make())
        except (UsageError, ScenarioError, DataError) as error:
            wrong.append(error)
    if wrong:
        raise type(wrong[0])(*dict.fromkeys(f for error in wrong for f in error.findings))
    return made
