"""The browser of the tests: the one that is installed, or Debian's.

`python -m tests.browser.chromium` installs it where none is found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REMEDY: Final = "install Chromium, or let CHROMIUM name its program"


class MissingError(RuntimeError):
    """No browser is there and none can be installed, and what to do."""


def find() -> str | None:
    """Return the browser's program; None where there is none. `$CHROMIUM` names another."""
    given = os.environ.get("CHROMIUM")
    return given or next((found for name in NAMES if (found := shutil.which(name))), None)


def program() -> str:
    """Return the browser's program; raises MissingError where there is none."""
    found = find()
    if found is None:
        message = f"no Chromium was found: {REMEDY}, or run `make test-browser` as root"
        raise MissingError(message)
    return found


def install() -> None:
    """Install Debian's Chromium where none is found; raises MissingError where that fails."""
    if find() is not None:
        return
    apt = shutil.which("apt-get")
    if apt is None:
        message = f"no Chromium was found, and no apt-get: {REMEDY}"
        raise MissingError(message)
    install_it = [apt, "install", "--yes", "--no-install-recommends", "chromium"]
    for command in ([apt, "update"], install_it):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}; {REMEDY}"
            raise MissingError(message)


if __name__ == "__main__":
    try:
        install()
    except MissingError as error:
        sys.exit(str(error))
