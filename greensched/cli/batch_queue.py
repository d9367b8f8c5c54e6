"""What the `batch` commands share: the user's queue, the clock, what is told without a worker."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from greensched.cli import say
from greensched.errors import Finding, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greensched.batch.queue import Queue

MS_PER_S: Final = 1_000


@contextmanager
def opened() -> Iterator[Queue]:
    """Yield the user's queue; raises UsageError where it cannot be read or written."""
    import sqlite3

    from greensched.batch.folder import default_folder
    from greensched.batch.queue import Queue

    with Queue(default_folder()) as queue:
        try:
            yield queue
        except sqlite3.Error as error:
            what = f"cannot be read or written: {error}"
            remedy = "nothing was changed; is the disk full, or another process writing?"
            raise UsageError(Finding(where=str(queue.file), what=what, remedy=remedy)) from None


def tell_no_worker(queue: Queue) -> None:
    """Say that nothing will start as long as no worker runs."""
    from greensched.batch.folder import WORKER_LOCK, is_locked

    if not is_locked(queue.folder / WORKER_LOCK):
        say.tell("no worker runs: `greensched batch run` starts what is due")


def clock_ms() -> int:
    """Return the instant now [ms since 1970 UTC]."""
    return int(time.time() * MS_PER_S)
