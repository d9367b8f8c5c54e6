"""Binds an address and serves on it until Ctrl-C."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import uvicorn

from greensched.errors import Finding, UsageError
from greensched.serve.app import app_of
from greensched.serve.connection import CONNECTIONS_MAX, Connection
from greensched.serve.keys import LOGIN, Keys, secret_in
from greensched.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from greensched.serve.hub import Hub

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
GRACE_S: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What to bind and who may look: `names` are those that browsers reach it by."""

    host: str
    port: int
    names: tuple[str, ...] = ()
    token_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def scheme(self) -> str:
        """Return http, or https where there is a certificate."""
        return "https" if self.certificate else "http"

    def check(self) -> None:
        """Raise UsageError with all that cannot be."""
        findings = []
        if (self.certificate is None) != (self.key is None):
            findings.append(Finding(where="--tls-cert", what="and --tls-key belong together"))
        if not self.is_loopback and self.token_file is None:
            what = f"{self.host} can be reached from other machines"
            remedy = "--token-file FILE keeps the secret that logins are made with; it is made"
            findings.append(Finding(where="--host", what=what, remedy=remedy))
        if not self.is_loopback and self._is_every and not self.names:
            what = f"{self.host} is every address of this machine, and the name of none"
            remedy = "--name NAME says what browsers reach it by"
            findings.append(Finding(where="--host", what=what, remedy=remedy))
        if findings:
            raise UsageError(*findings)

    @property
    def _is_every(self) -> bool:
        return self.host in ("", "0.0.0.0", "::")  # noqa: S104 compared, not bound

    def hosts(self) -> tuple[str, ...]:
        """Return the names that a request's Host header may have, the first being told."""
        own = [] if self._is_every else [f"[{self.host}]" if ":" in self.host else self.host]
        names = (*self.names, *own, *(LOOPBACK_NAMES if self.is_loopback else ()))
        return tuple(dict.fromkeys(name.lower() for name in names))

    def address(self, port: int) -> str:
        """Return the address that is told."""
        usual = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{self.hosts()[0]}{'' if port == usual else f':{port}'}/"

    def bound(self) -> socket.socket:
        """Return a socket that listens; raises UsageError where the address is taken or none."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=512)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            what = f"{self.host} port {self.port}: {why}"
            remedy = "--port names another one, 0 any that is free"
            raise UsageError(Finding(where="--port", what=what, remedy=remedy)) from None


class _Server(uvicorn.Server):
    """uvicorn's server, which lets who waits for changes go before it ends."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on a signal, and that is all: nothing is raised again afterwards."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._hub.stop()
        await super().shutdown(sockets)


def serve(hub: Hub, where: Where, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `tell` hears where. Raises UsageError where it cannot."""
    where.check()
    keys = None
    if where.token_file is not None:
        keys = Keys(secret_in(where.token_file), _now_ms())
    with where.bound() as bound:
        app = app_of(hub, where.hosts(), keys, tls=where.certificate is not None)
        config = uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=where.certificate,
            ssl_keyfile=where.key,
        )
        _announce(where, where.address(bound.getsockname()[1]), keys, tell)
        asyncio.run(_Server(config, hub).serve(sockets=[bound]))
    tell("stopped")


def _announce(where: Where, address: str, keys: Keys | None, tell: Callable[[str], None]) -> None:
    """Tell where it can be seen, and what is risky about that."""
    if keys is None:
        tell(f"control centre on {address}  (Ctrl-C ends it)")
        return
    tell(f"control centre on {address}  (Ctrl-C ends it); sign in once, within 10 minutes, at")
    tell(f"  {address}login?code={keys.made(LOGIN, _now_ms())}")
    tell("another such address: the same command with --login")
    if where.certificate is None and not where.is_loopback:
        tell("warning: without TLS (--tls-cert, --tls-key) whoever is in between can read along")


def login_address(where: Where) -> str:
    """Return another one-time address of a control centre that runs; raises UsageError."""
    where.check()
    if where.token_file is None:
        what, remedy = "signs with the secret in a file", "name it with --token-file"
        raise UsageError(Finding(where="--login", what=what, remedy=remedy))
    if where.port == 0:
        what, remedy = "is any free one", "name the one that the control centre was given"
        raise UsageError(Finding(where="--port 0", what=what, remedy=remedy))
    code = Keys(secret_in(where.token_file), 0).made(LOGIN, _now_ms())
    return f"{where.address(where.port)}login?code={code}"


def _now_ms() -> int:
    return int(time.time() * MS_PER_S)
