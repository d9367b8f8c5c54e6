"""Where ledgers and their keys are kept; private keys are read only where nobody else may."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from greensched.errors import Finding, UsageError
from greensched.ledger.files import sync_folder
from greensched.ledger.note import SigningKey, signing_key

MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
OTHERS: Final = 0o077
LEDGER: Final = "ledger.sqlite"


def _user_folder(variable: str, default: str) -> Path:
    """Return the user's folder for state or settings, by the XDG rules."""
    base = os.environ.get(variable, "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / default
    return root / "greensched"


def default_ledger() -> Path:
    """Return the ledger that is meant where none is named: below XDG_STATE_HOME."""
    return _user_folder("XDG_STATE_HOME", ".local/state") / LEDGER


def _settings() -> Path:
    """Return the user's settings for greensched."""
    return _user_folder("XDG_CONFIG_HOME", ".config")


def default_key(key_id: bytes) -> Path:
    """Return where the private key of this id is kept: below XDG_CONFIG_HOME."""
    return _settings() / "keys" / f"{key_id.hex()}.key"


def check_apart(key_file: Path, ledger: Path) -> None:
    """Raise UsageError where a key would be handed on together with its ledger.

    A ledger in the home folder has the user's settings below it: a key there is apart all the
    same, unless the ledger is in the settings too.
    """
    folder, key_folder, settings = (
        p.resolve() for p in (ledger.parent, key_file.parent, _settings())
    )
    is_in_settings = settings in (key_folder, *key_folder.parents)
    is_apart = is_in_settings and settings not in (folder, *folder.parents)
    if folder in (key_folder, *key_folder.parents) and not is_apart:
        what = f"is in the ledger's folder {folder}"
        remedy = "keep the key elsewhere, so that a copy of the ledger does not hold it"
        raise UsageError(Finding(where=f"key {key_file}", what=what, remedy=remedy))


def write_key(key: SigningKey, path: Path) -> None:
    """Write a private key to a new file that only its owner can read."""
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(key.text + "\n")
            stream.flush()
            os.fsync(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        is_there = isinstance(error, FileExistsError) and path.exists()
        what = "is there already and is left as it is" if is_there else error.strerror
        remedy = "--key-file names another place"
        raise UsageError(
            Finding(where=f"key {path}", what=f"cannot be written: {what}", remedy=remedy)
        ) from None


def read_key(path: Path) -> SigningKey:
    """Return the private key in a file; raises UsageError, also where others may read it."""
    where = f"key {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        remedy = (
            "--key-file names the file that `ledger init` wrote; without it nothing is appended"
        )
        raise UsageError(Finding(where=where, what=what, remedy=remedy)) from None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & OTHERS:
            what = f"has mode {mode:04o}: others than its owner may use it"
            remedy = f"chmod 600 {path}, and rotate the key if somebody did"
            raise UsageError(Finding(where=where, what=what, remedy=remedy))
        text = stream.read()
    try:
        return signing_key(text.removesuffix("\n"))
    except ValueError as error:
        raise UsageError(Finding(where=where, what=f"is no private key: {error}")) from None
