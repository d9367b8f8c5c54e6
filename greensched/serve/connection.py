"""HTTP connections that nobody can hold for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

CONNECTIONS_MAX: Final = 500
IDLE_S: Final = (
    5.0  # from a connection's begin, or its last answer, until a request's head is whole
)
TAKEN_S: Final = 30.0  # within which a client has to take some of what waits for it
LOOK_S: Final = 1.0


class Connection(H11Protocol):
    """A connection that is cut off where its client asks nothing, or takes no answer.

    Where there are as many as may be, the one that has asked nothing for longest makes room.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        """Begin as uvicorn's."""
        super().__init__(*given, **named)
        self.since_s = self.loop.time()  # nothing has happened
        self._left = 0  # bytes that waited for the client when it was last looked at
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) >= CONNECTIONS_MAX:
            self._make_room()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._next is not None:
            self._next.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.since_s = self.loop.time()
        super().on_response_complete()

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing was asked, or all that was is answered and taken."""
        cycle: Any = self.cycle  # None before the first request
        is_answered = cycle is None or cycle.response_complete
        return is_answered and not self.transport.get_write_buffer_size()

    def _look(self) -> None:
        """Cut it off where nothing has happened for too long."""
        now_s, left = self.loop.time(), self.transport.get_write_buffer_size()
        is_computed = not left and not self.is_idle
        if is_computed or left < self._left:
            self.since_s = now_s
        self._left = left
        if now_s - self.since_s >= (TAKEN_S if left else IDLE_S):
            self.transport.abort()
        else:
            self._next = self.loop.call_later(LOOK_S, self._look)

    def _make_room(self) -> None:
        others = (one for one in self.connections if isinstance(one, Connection))
        idle = [one for one in others if one is not self and one.is_idle]
        if idle:
            longest = min(idle, key=lambda one: one.since_s)
            self.connections.discard(longest)
            longest.transport.abort()
