"""When Jobs are to be looked at again: found without asking every one."""

from __future__ import annotations

import heapq


class Alarms:
    """One instant a Job (UID) at most; a later `put` takes the place of the one before."""

    def __init__(self) -> None:
        """Begin with none."""
        self._at_ms: dict[str, int] = {}
        self._queue: list[tuple[int, str]] = []  # with those that were replaced or dropped

    def put(self, uid: str, at_ms: int) -> None:
        """Look at a Job again at an instant."""
        self._at_ms[uid] = at_ms
        heapq.heappush(self._queue, (at_ms, uid))

    def drop(self, uid: str) -> None:
        """Look at it no more."""
        self._at_ms.pop(uid, None)

    def due(self, now_ms: int) -> list[str]:
        """Return the Jobs whose time has come; they have none any more."""
        found = []
        while (first_ms := self.first_ms()) is not None and first_ms <= now_ms:
            _, uid = heapq.heappop(self._queue)
            del self._at_ms[uid]
            found.append(uid)
        return found

    def first_ms(self) -> int | None:
        """Return the next instant, None where there is none."""
        while self._queue and self._at_ms.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None
