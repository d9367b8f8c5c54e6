"""Where independent simulations are carried out: in this process, or in several beside it.

An executor maps a function over items. A simulation that has ended may have to go on later, to
the end of the one it is compared with, and cannot be sent about; so executors promise where work
is done: the i-th item of a `map` is carried out in the process that had the i-th item of the
`map` before, and what was kept there is still there. Results do not depend on the executor.
"""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

from greensched.errors import Finding, OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from types import TracebackType

    Tell: TypeAlias = Callable[[str, float], None] | None

A = TypeVar("A")
B = TypeVar("B")


class Executor(Protocol):
    """Carries out independent work; see the module on where.

    `workers` is how many items are carried out at one time.
    """

    @property
    def workers(self) -> int:
        """Return it."""
        ...

    def map(self, work: Callable[[A, Tell], B], items: Sequence[A], tell: Tell) -> list[B]:
        """Return `work(item, tell)` for all items; an error of any is raised.

        `work` is a function of a module, items and results can be pickled. `tell(what, share)`
        is called for what is done in this process only; elsewhere work is given None.
        """
        ...


class Here:
    """Carries out everything in this process, in order."""

    workers = 1

    def map(self, work: Callable[[A, Tell], B], items: Sequence[A], tell: Tell) -> list[B]:
        """Return the results one after the other."""
        return [work(item, tell) for item in items]


class Processes:
    """Carries out items in `workers` processes, of which this one is the first.

    A context manager: the processes it starts end with it, at once where an error or Ctrl-C ends
    it. They are spawned, so a script that uses this must have an `if __name__ == "__main__"`.
    """

    def __init__(self, workers: int) -> None:
        """Begin without any process: they start when they are first needed."""
        self._workers = workers
        self._pools: list[ProcessPoolExecutor] = []
        self._started: list[BaseProcess] = []

    @property
    def workers(self) -> int:
        """Return the number of processes."""
        return self._workers

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes; those at work are stopped where an error came through."""
        if kind is not None:
            for process in self._started:
                process.terminate()
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[A, Tell], B], items: Sequence[A], tell: Tell) -> list[B]:
        """Return the results; this process takes its share while the others work."""
        others = {
            i: self._pool(i % self._workers).submit(work, item, None)
            for i, item in enumerate(items)
            if i % self._workers
        }
        own = {i: work(items[i], tell) for i in range(0, len(items), self._workers)}
        try:
            return [own[i] if i in own else others[i].result() for i in range(len(items))]
        except BrokenProcessPool:
            what = "a worker was ended from outside, perhaps for want of memory"
            remedy = "use fewer workers"
            raise OutsideError(Finding(where="-j", what=what, remedy=remedy)) from None

    def _pool(self, number: int) -> ProcessPoolExecutor:
        """Return the pool of one process that is worker `number`, started where it is new."""
        while len(self._pools) < number:
            pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=deaf)
            before = set(multiprocessing.active_children())
            with ctrl_c_held():
                pool.submit(deaf)
            self._pools.append(pool)
            self._started += set(multiprocessing.active_children()) - before
        return self._pools[number - 1]


def deaf() -> None:
    """Leave Ctrl-C to the process that started this one, which then ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def ctrl_c_held() -> Iterator[Any]:
    """Hold Ctrl-C back for the block; a process started in it is born with it held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
