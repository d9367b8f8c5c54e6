"""A job's own process: made first, let go once it is written down who it is.

Until the word to go it waits on a pipe; when its supervisor dies before that, the pipe ends and
so does it, and nothing was run that nobody knows of.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from greensched.batch.folder import log_file, open_private

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.batch.job import Job

GO: Final = b"!"
NOT_GONE: Final = 125
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # as shells say it


class Child:
    """A forked process in a session of its own, which waits to become the job's command."""

    def __init__(self, folder: Path, job: Job) -> None:
        """Fork it; its output goes to the end of the job's files."""
        append = os.O_WRONLY | os.O_APPEND
        out, err = (open_private(log_file(folder, job.id, s), append) for s in ("out", "err"))
        gate, self._gate = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._gate)
            _become(job, gate, out, err)
        for descriptor in (gate, out, err):
            os.close(descriptor)

    def go(self) -> None:
        """Let it become the command."""
        os.write(self._gate, GO)
        os.close(self._gate)

    def forget(self) -> None:
        """Let it end without having been anything."""
        os.close(self._gate)
        os.waitpid(self.pid, 0)


def _become(job: Job, gate: int, out: int, err: int) -> NoReturn:
    """Wait for the word, then become the job's command: argv without a shell."""
    try:
        os.setsid()
        if os.read(gate, 1) != GO:
            os._exit(NOT_GONE)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(job.folder)
        os.umask(job.umask)
        os.execvpe(job.argv[0], list(job.argv), job.env)  # noqa: S606 - the user's own command
    except OSError as error:
        sys.stderr.write(f"greensched: {job.argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)
    finally:
        os._exit(NOT_GONE)
