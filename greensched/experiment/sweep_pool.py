"""Where the points of a sweep are run: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import re
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import greensched
from greensched.errors import Finding, OutsideError, UsageError
from greensched.experiment.executor import ctrl_c_held, deaf
from greensched.experiment.sweep import InProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESS: Final = re.compile(r"[a-z]+://[^\s/]+:\d+")
_EXAMPLE: Final = "tcp://127.0.0.1:8786"
CONNECT_S: Final = 10  # until a scheduler that does not answer is given up


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Yield an executor of `workers` processes, or of this one where that is enough.

    They are spawned; where an error or Ctrl-C ends the block they are ended at once.
    """
    if workers == 1:
        yield InProcess()
        return
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=deaf)
    with ctrl_c_held():
        for _ in range(workers):
            pool.submit(deaf)
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Yield an executor of the Dask cluster whose scheduler is at `address`.

    Raises UsageError where dask.distributed is not installed or that is no address, OutsideError
    where nobody answers, where there are no workers, or where they have another greensched.
    """
    where = f"--scheduler {address}"
    try:
        from distributed import Client
    except ImportError:
        remedy = "pip install 'greensched[distributed]'"
        what = "needs dask.distributed, which is not installed"
        raise UsageError(Finding(where=where, what=what, remedy=remedy)) from None
    if not _ADDRESS.fullmatch(address):
        what = "is no address of a scheduler"
        raise UsageError(Finding(where=where, what=what, remedy=f"write it as {_EXAMPLE}"))
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        what = f"no scheduler answers ({type(error).__name__})"
        remedy = f"start one with 'dask scheduler', for example {_EXAMPLE}"
        raise OutsideError(Finding(where=where, what=what, remedy=remedy)) from None
    try:
        _check(client, where)
        yield client.get_executor(pure=False)
    finally:
        client.close()


def _check(client: Any, where: str) -> None:
    """Raise OutsideError where a cluster cannot give our results."""
    versions = client.run(version, on_error="return")
    if not versions:
        remedy = "start some with 'dask worker'"
        raise OutsideError(Finding(where=where, what="has no workers", remedy=remedy))
    own = version()
    findings = [
        Finding(where=f"{where} {worker}", what=f"has greensched {found}, not {own}")
        for worker, found in sorted(versions.items())
        if found != own
    ]
    if findings:
        raise OutsideError(*findings)


def version() -> str:
    """Return the version of greensched in the process that is asked."""
    return greensched.__version__
