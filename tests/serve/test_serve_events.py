"""Server-sent events: clients are told what changed, and cannot pile up."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from greensched.serve import events
from greensched.serve.events import Events
from greensched.serve.hub import Hub
from greensched.serve.watch.ledger import LedgerWatch
from tests.serve.cases import ledger_of, settlement

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    import pytest

PATIENCE_S = 20.0


class _Client:
    """A client of the application, which reads as fast as it is told to."""

    def __init__(self, version: str = "", *, reads: bool = True) -> None:
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": "/events",
            "query_string": f"since={version}".encode(),
            "headers": [],
        }
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.leaves = asyncio.Event()
        self._reads = reads

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.got.put(message)
        if not self._reads:
            await asyncio.Event().wait()

    async def board(self) -> dict[str, str]:
        """Return the next sections that are sent."""
        while True:
            message = await asyncio.wait_for(self.got.get(), PATIENCE_S)
            for line in message.get("body", b"").decode().splitlines():
                if line.startswith("data: "):
                    found: dict[str, str] = json.loads(line.removeprefix("data: "))
                    return found


def _run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 2 * PATIENCE_S))


def _asked(app: Events, client: _Client) -> asyncio.Task[None]:
    scope: Any = client.scope
    return asyncio.create_task(app(scope, client.receive, client.send))


def test_client_is_told_when_the_ledger_grows(tmp_path: Path) -> None:
    """A settlement that is appended reaches an open page by itself."""
    case = ledger_of(tmp_path / "l")

    async def told() -> None:
        hub = Hub([LedgerWatch(case.ledger)], zone=UTC)
        async with hub.running():
            client = _Client(hub.version)
            asked = _asked(Events(hub), client)
            await asyncio.to_thread(case.append, settlement(1, 1_500))
            assert "saved in all" in (await client.board())["places"]
            client.leaves.set()
            await asked

    _run(told())


def test_clients_are_counted_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a client is refused, and each one that leaves makes room."""
    monkeypatch.setattr(events, "CLIENTS_MAX", 2)

    async def told() -> None:
        hub = Hub([], zone=UTC)
        async with hub.running():
            app = Events(hub)
            first, second, third = _Client(), _Client(), _Client()
            asked = [_asked(app, one) for one in (first, second)]
            await first.board()
            await second.board()
            await _asked(app, third)
            assert 503 == (await third.got.get())["status"]
            first.leaves.set()
            await asked[0]
            assert 1 == app.clients
            second.leaves.set()
            await asked[1]
            assert 0 == app.clients

    _run(told())


def test_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes nothing of what is sent loses its place."""
    monkeypatch.setattr(events, "READ_S", 0.05)

    async def told() -> None:
        hub = Hub([], zone=UTC)
        async with hub.running():
            app = Events(hub)
            await _asked(app, _Client(reads=False))
            assert 0 == app.clients

    _run(told())


def test_stream_ends_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only waits for changes is let go when the server ends."""
    monkeypatch.setattr(events, "BEAT_S", 3_600.0)

    async def told() -> None:
        hub = Hub([], zone=UTC)
        async with hub.running():
            client = _Client()
            asked = _asked(Events(hub), client)
            await client.board()
            await hub.stop()
            await asked
            assert client.got.get_nowait() == {
                "type": "http.response.body",
                "body": b"",
                "more_body": False,
            }

    _run(told())
