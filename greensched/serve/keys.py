"""One-time login addresses and sessions, signed with a secret that is kept in a file.

Both are `TIME-ms.NONCE.SIGNATURE`, the signature HMAC-SHA-256 of purpose, time and nonce. Nothing
has to be stored but which login codes were used since the start; a code from before it is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
from typing import TYPE_CHECKING, Final

from greensched.errors import Finding, UsageError
from greensched.units import MS_PER_DAY, MS_PER_MIN

if TYPE_CHECKING:
    from pathlib import Path

SECRET_BYTES: Final = 32
MODE: Final = 0o600
OTHERS: Final = 0o077
LOGIN_MS: Final = 10 * MS_PER_MIN
SESSION_MS: Final = 7 * MS_PER_DAY
PARTS: Final = 3
LOGIN, SESSION = "login", "session"


def secret_in(path: Path) -> bytes:
    """Return the secret in a file, made where there is none; raises UsageError.

    A file that others may read, or that holds fewer than 32 characters, is refused.
    """
    where = f"--token-file {path}"
    try:
        _make(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise UsageError(Finding(where=where, what=f"cannot be used: {error.strerror}")) from None
    with os.fdopen(descriptor, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & OTHERS:
            what, remedy = f"has mode {mode:04o}: others may read it", f"chmod 600 {path}"
            raise UsageError(Finding(where=where, what=what, remedy=remedy))
        secret = stream.read(1024).strip()
    if len(secret) < SECRET_BYTES:
        what = f"holds {len(secret)} characters, of at least {SECRET_BYTES}"
        remedy = "name a file that is not there: it is made"
        raise UsageError(Finding(where=where, what=what, remedy=remedy))
    return secret


def _make(path: Path) -> None:
    """Write a new secret to a file that only its owner can read, where there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")


class Keys:
    """Makes and checks login codes and sessions from `start_ms` on [ms since 1970 UTC]."""

    def __init__(self, secret: bytes, start_ms: int) -> None:
        """Begin with no code used."""
        self._secret, self._start_ms = secret, start_ms
        self._used: dict[str, int] = {}  # login codes, and when each was made

    def made(self, purpose: str, now_ms: int) -> str:
        """Return a new login code or session."""
        text = f"{now_ms}.{secrets.token_urlsafe(12)}"
        return f"{text}.{self._signature(purpose, text)}"

    def use_login(self, code: str, now_ms: int) -> bool:
        """Tell whether a login code is good, which it is once."""
        oldest_ms = max(self._start_ms, now_ms - LOGIN_MS)
        self._used = {one: at_ms for one, at_ms in self._used.items() if at_ms >= oldest_ms}
        made_ms = self._made_ms(LOGIN, code)
        if made_ms is None or not oldest_ms <= made_ms <= now_ms + MS_PER_MIN:
            return False
        if code in self._used:
            return False
        self._used[code] = made_ms
        return True

    def is_session(self, session: str, now_ms: int) -> bool:
        """Tell whether a session is good."""
        made_ms = self._made_ms(SESSION, session)
        return made_ms is not None and now_ms - SESSION_MS <= made_ms <= now_ms + MS_PER_MIN

    def _made_ms(self, purpose: str, text: str) -> int | None:
        """Return when a code was made, None where it was not signed with our secret."""
        parts = text.split(".")
        if len(parts) != PARTS or not (parts[0].isascii() and parts[0].isdecimal()):
            return None
        expected = self._signature(purpose, f"{parts[0]}.{parts[1]}")
        if not hmac.compare_digest(expected.encode(), parts[2].encode()):
            return None
        return int(parts[0])

    def _signature(self, purpose: str, text: str) -> str:
        found = hmac.new(self._secret, f"{purpose}.{text}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(found).decode().rstrip("=")
