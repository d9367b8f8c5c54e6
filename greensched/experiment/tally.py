"""How far a command is: which of its runs have ended, told as a share of all of them."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how far something is."""

    def __call__(self, what: str, share: float, counted: str = "", /) -> None:
        """Note that `what` goes on, and that `share` is done.

        With `counted` (`3 of 19 runs`) the share is of all of them, else of `what` alone.
        """
        ...


class Tally:
    """Counts the runs of a command: in parts, as a command may ask others for runs.

    What runs in this process tells its share; of runs elsewhere only the end is known.
    """

    def __init__(self, told: Progress | None = None, whole: Tally | None = None) -> None:
        """Count runs, none of them known yet: for who is told, or as a part of others."""
        self.done = self.left = 0
        self.guessed = False
        self.parts = [self]  # of all, itself the first
        self._told = told
        self._whole = whole or self
        self._what, self._share = "", 0.0  # of the run in this process

    @classmethod
    def of(cls, told: Progress | None) -> Tally:
        """Return what counts for `told`: itself where it counts already."""
        return told if isinstance(told, Tally) else cls(told)

    def part(self, left: int, *, guessed: bool = False) -> Tally:
        """Return what counts other runs of the same whole, of which so many are expected."""
        made = Tally(whole=self._whole)
        made.expect(left, guessed=guessed)
        self._whole.parts.append(made)
        return made

    def expect(self, left: int, *, guessed: bool = False) -> None:
        """Expect so many runs still in this part, whatever was expected before."""
        self.left, self.guessed = left, guessed

    def ended(self, *, here: bool = True) -> None:
        """Count a run that has ended, in this process or elsewhere."""
        self.done, self.left = self.done + 1, max(0, self.left - 1)
        self._whole.tell(share=0.0 if here else None)

    def __call__(self, what: str, share: float, counted: str = "") -> None:  # noqa: ARG002 as told
        """Note that `share` of the run `what` in this process is done."""
        self._whole.tell(what, share)

    def tell(self, what: str | None = None, share: float | None = None) -> None:
        """Tell how far all parts are; what is not given is as before."""
        self._what = self._what if what is None else what
        self._share = self._share if share is None else share
        if self._told is None:
            return
        done, left = sum(one.done for one in self.parts), sum(one.left for one in self.parts)
        about = "about " if any(one.guessed and one.left for one in self.parts) else ""
        runs = done + max(left, 1 if self._share else 0)
        share = min(1.0, (done + self._share) / runs) if runs else 0.0
        self._told(self._what, share, f"{done:,} of {about}{runs:,} runs")
