"""Server-sent events: what has changed, to clients that cannot pile up.

A client has no queue: it is told of what is now, whatever it missed. There are so many at most,
each ends after a while (browsers come again by themselves), and one that does not read is dropped.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from greensched.serve.hub import Hub

CLIENTS_MAX: Final = 64
BEAT_S: Final = 15.0  # a line of comment, so that nobody in between thinks that we are gone
LIFE_S: Final = 600.0
READ_S: Final = 30.0  # within which a client has to have taken what it was sent
RETRY_MS: Final = 3_000


class Events:
    """The ASGI application behind `/events`."""

    def __init__(self, hub: Hub) -> None:
        """Begin without a client."""
        self._hub = hub
        self.clients = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell one client of changes until it or the server goes."""
        if self.clients >= CLIENTS_MAX:
            await _refuse(send)
            return
        self.clients += 1
        try:
            with suppress(TimeoutError, OSError):
                await self._tell_until_gone(_seen_version(scope), receive, send)
        finally:
            self.clients -= 1

    async def _tell_until_gone(self, version: str, receive: Receive, send: Send) -> None:
        telling = asyncio.create_task(self._tell(version, send))
        leaving = asyncio.create_task(_gone(receive))
        done, pending = await asyncio.wait(
            (telling, leaving), timeout=LIFE_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if leaving in done:
            return
        if telling in done and (error := telling.exception()):
            raise error
        await _write(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, version: str, send: Send) -> None:
        """Send what has changed, and a beat where nothing has."""
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await _write(send, {"type": "http.response.start", "status": 200, "headers": headers})
        await _write_text(send, f"retry: {RETRY_MS}\n\n")
        while not self._hub.is_stopping:
            if changed := self._hub.since(version):
                version = self._hub.version
                await _write_text(
                    send, f"id: {version}\nevent: board\ndata: {json.dumps(changed)}\n\n"
                )
            elif not await self._hub.changed(version, BEAT_S):
                await _write_text(send, ": still here\n\n")


async def _write_text(send: Send, text: str) -> None:
    """Send a piece of the stream; raises TimeoutError where the client does not take it."""
    body = text.encode()
    await _write(send, {"type": "http.response.body", "body": body, "more_body": True})


async def _write(send: Send, message: Message) -> None:
    async with asyncio.timeout(READ_S):
        await send(message)


async def _gone(receive: Receive) -> None:
    """Return once the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send) -> None:
    """Answer that there are too many; a browser asks for the page again and again instead."""
    headers = [(b"content-type", b"text/plain"), (b"retry-after", b"30")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    body = f"{CLIENTS_MAX} pages are open already\n".encode()
    await send({"type": "http.response.body", "body": body})


def _seen_version(scope: Scope) -> str:
    """Return the version that a client has: of its last event, else of the page that it loaded."""
    from starlette.requests import Request

    request = Request(scope)
    return request.headers.get("last-event-id") or request.query_params.get("since", "")
