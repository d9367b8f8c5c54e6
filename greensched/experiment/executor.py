"""Where independent simulations are carried out: in this process, or in several beside it.

An executor maps a function over items. A simulation that has ended may have to go on later, to
the end of the one it is compared with, and cannot be sent about; so executors promise where work
is done: the i-th item of a `map` is carried out in the process that had the i-th item of the
`map` before, and what was kept there is still there. Results do not depend on the executor.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from ctypes import c_bool
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias, TypeVar

from greensched.errors import Finding, OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from types import TracebackType

    from greensched.experiment.tally import Tally

    Tell: TypeAlias = Callable[[str, float], None] | None

A = TypeVar("A")
B = TypeVar("B")
if TYPE_CHECKING:
    Wanted: TypeAlias = Callable[[], A | None]
    Take: TypeAlias = Callable[[A, B | None], None]
    Useless: TypeAlias = Callable[[A], bool]


class Executor(Protocol):
    """Carries out independent work; see the module on where.

    `workers` is how many items are carried out at one time.
    """

    @property
    def workers(self) -> int:
        """Return it."""
        ...

    def map(self, work: Callable[[A, Tell], B], items: Sequence[A], runs: Tally | None) -> list[B]:
        """Return `work(item, tell)` for all items; an error of any is raised.

        `work` is a function of a module, items and results can be pickled. `runs` counts each
        item that ends; `tell(what, share)` reaches it from this process only, elsewhere work is
        given None.
        """
        ...

    def pursue(
        self,
        work: Callable[[A, Tell], B],
        wanted: Wanted[A],
        take: Take[A, B],
        useless: Useless[A],
        runs: Tally | None,
    ) -> None:
        """Carry out what is wanted, wherever a process is free, until nothing is.

        `wanted()` names the next item, None while there is none; `take(item, work(item, tell))`
        is called here, as results come in. What is under way and `useless(item)` by then is given
        up at its next sign of life, and None taken. For the rest as `map`, but of where work is
        done, and elsewhere `tell` only ends what is given up.
        """
        ...

    def start(self) -> None:
        """Start the processes, which takes seconds, while this one does something else."""
        ...


class Here:
    """Carries out everything in this process, in order."""

    workers = 1

    def map(self, work: Callable[[A, Tell], B], items: Sequence[A], runs: Tally | None) -> list[B]:
        """Return the results one after the other."""
        return [_counted(work, item, runs) for item in items]

    def pursue(
        self,
        work: Callable[[A, Tell], B],
        wanted: Wanted[A],
        take: Take[A, B],
        useless: Useless[A],  # noqa: ARG002 nothing is under way while another ends
        runs: Tally | None,
    ) -> None:
        """Carry out one item after the other."""
        while (item := wanted()) is not None:
            take(item, _counted(work, item, runs))

    def start(self) -> None:
        """Do nothing: this process runs."""


def _counted(work: Callable[[A, Tell], B], item: A, runs: Tally | None) -> B:
    """Return `work(item, runs)`, counted as ended."""
    found = work(item, runs)
    if runs is not None:
        runs.ended()
    return found


class _GivenUp(Exception):  # noqa: N818 not an error: a run whose result nobody needs
    """Ends what is pursued."""


def _until(end: Any, runs: Tally | None) -> Callable[[str, float], None]:
    """Return what passes on to `runs` what it is told, and ends the run once `end` is set."""

    def told(what: str, share: float) -> None:
        if end.value:
            raise _GivenUp
        if runs is not None:
            runs(what, share)

    return told


def _found(future: Future[B], runs: Tally | None, *, here: bool) -> B | None:
    """Return what a run that has ended found; None where it was given up."""
    try:
        found = future.result()
    except _GivenUp:
        found = None
    if runs is not None:
        runs.ended(here=here)
    return found


class _Elsewhere:
    """Counts what ends in other processes, whenever this one gives a sign of life."""

    def __init__(self, futures: Iterable[Future[Any]], runs: Tally) -> None:
        """Wait for `futures`."""
        self._open, self._runs = set(futures), runs

    def __call__(self, what: str, share: float) -> None:
        """Count what has ended by now, and pass on what is told here."""
        for future in [one for one in self._open if one.done()]:
            self._open.remove(future)
            self._runs.ended(here=False)
        self._runs(what, share)

    def wait(self) -> None:
        """Wait for the rest, and count each as it ends."""
        for _ in as_completed(self._open):
            self._runs.ended(here=False)


class Processes:
    """Carries out items in `workers` processes, of which this one is the first.

    A context manager: the processes it starts end with it, at once where an error or Ctrl-C ends
    it. They are spawned, so a script that uses this must have an `if __name__ == "__main__"`.
    """

    def __init__(self, workers: int) -> None:
        """Begin without any process: they start when they are first needed."""
        self._workers = workers
        self._context = multiprocessing.get_context("spawn")
        # of each process, whether what it pursues is to end; every process can read its own
        self._ends = [self._context.RawValue(c_bool) for _ in range(workers)]
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

    def map(self, work: Callable[[A, Tell], B], items: Sequence[A], runs: Tally | None) -> list[B]:
        """Return the results; this process takes its share while the others work."""
        with _workers_alive():
            others = {
                i: self._pool(i % self._workers).submit(work, item, None)
                for i, item in enumerate(items)
                if i % self._workers
            }
            elsewhere = None if runs is None else _Elsewhere(others.values(), runs)
            own = {}
            for i in range(0, len(items), self._workers):
                own[i] = work(items[i], elsewhere)
                if runs is not None:
                    runs.ended()
            if elsewhere is not None:
                elsewhere.wait()
            return [own[i] if i in own else others[i].result() for i in range(len(items))]

    def pursue(
        self,
        work: Callable[[A, Tell], B],
        wanted: Wanted[A],
        take: Take[A, B],
        useless: Useless[A],
        runs: Tally | None,
    ) -> None:
        """Carry out what is wanted; this process works in a thread, so that all are kept busy."""
        idle, running = list(range(self._workers)), dict[Future[B], tuple[int, A]]()
        told = _until(self._ends[0], runs)
        with _workers_alive(), ThreadPoolExecutor(1) as own:
            try:
                while True:
                    while idle and (item := wanted()) is not None:
                        number = idle.pop(0)
                        self._ends[number].value = False
                        future = (
                            self._pool(number).submit(_elsewhere, work, item)
                            if number
                            else own.submit(work, item, told)
                        )
                        running[future] = number, item
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        number, item = running.pop(future)
                        idle = sorted([*idle, number])
                        take(item, _found(future, runs, here=not number))
                    for number, item in running.values():
                        self._ends[number].value = useless(item)
            finally:  # where somebody raised nobody waits for the others
                for end in self._ends:
                    end.value = True

    def start(self) -> None:
        """Start the processes, which load what simulations need."""
        with _workers_alive():
            for number in range(1, self._workers):
                self._pool(number).submit(ready)

    def _pool(self, number: int) -> ProcessPoolExecutor:
        """Return the pool of one process that is worker `number`, started where it is new."""
        while len(self._pools) < number:
            end = self._ends[len(self._pools) + 1]
            pool = ProcessPoolExecutor(1, self._context, initializer=_born, initargs=(end,))
            before = set(multiprocessing.active_children())
            with ctrl_c_held():
                pool.submit(deaf)
            self._pools.append(pool)
            self._started += set(multiprocessing.active_children()) - before
        return self._pools[number - 1]


@contextmanager
def _workers_alive() -> Iterator[None]:
    """Raise an error of its own where a worker went away, before the block or in it."""
    try:
        yield
    except BrokenProcessPool:
        what = "a worker was ended from outside, perhaps for want of memory"
        remedy = (
            "use fewer workers; a script of one's own begins under `if __name__ == '__main__':`"
        )
        raise OutsideError(Finding(where="-j", what=what, remedy=remedy)) from None


def ready() -> None:
    """Load what simulations need, where it has been compiled before."""
    from greensched.engine.kernels import warm

    if warm.is_compiled():
        warm.compile_advance()
        warm.compile_control()
        warm.compile_loops()


WATCH_S: Final = 2.0  # between looks whether the process that started this one is there
_WATCHED: Final[list[int]] = []  # its number, in a process that was started
_ENDS: Final[list[Any]] = []  # in a process that was started: its own, see `Processes`


def _born(end: Any) -> None:
    """Begin a process that others give work to.

    It ends without taking apart, piece by piece, what it has loaded: that takes half a second.
    """
    deaf()
    _ENDS.append(end)
    Finalize(None, _end, exitpriority=-1)


def _end() -> None:
    """End this process at once; what it has printed is told."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # none, or nobody reads it any more
            stream.flush()
    os._exit(0)


def _elsewhere(work: Callable[[A, Tell], B], item: A) -> B:
    """Return `work(item, tell)` in a process that was started."""
    return work(item, _until(_ENDS[0], None))


def deaf() -> None:
    """Leave Ctrl-C to the process that started this one, which then ends it; outlive it not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not _WATCHED:
        _WATCHED.append(os.getppid())
        threading.Thread(target=_watch, args=_WATCHED, daemon=True).start()


def _watch(parent: int) -> None:
    """End this process soon after its parent, which may be killed and then ends nobody."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


@contextmanager
def ctrl_c_held() -> Iterator[Any]:
    """Hold Ctrl-C back for the block; a process started in it is born with it held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
