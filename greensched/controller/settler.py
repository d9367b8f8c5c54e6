"""Settles records as actual intensity comes: asks for it, enters it, then says so in the record.

The entry comes first: after a crash in between it is found by its key and not made again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from greensched.controller.settle import entry, is_open, settled, span_of
from greensched.errors import GreenschedError
from greensched.units import MS_PER_DAY, MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from greensched.controller.api import Json
    from greensched.controller.deferral import Deferral
    from greensched.controller.planner import Foresight
    from greensched.controller.writes import Writes

log = logging.getLogger("greensched")
PERIOD_MS: Final = 10 * MS_PER_MIN  # until actuals that were not there are asked for again


class Settler:
    """Settles for one controller; without a `ledger` records alone keep what was settled."""

    def __init__(self, foresight: Foresight, writes: Writes, ledger: Path | None) -> None:
        """Begin at once."""
        self._foresight, self._writes, self._ledger = foresight, writes, ledger
        self._after_ms: int | None = None

    def turn(
        self, records: Iterable[Deferral], providers: dict[str, str], now_ms: int
    ) -> list[Deferral]:
        """Settle what can be by now; `providers` are the policies' by name. Return what was.

        Raises ApiError where the server refuses for now.
        """
        if self._after_ms is not None and now_ms < self._after_ms:
            return []
        groups: dict[tuple[str, str, int], list[Deferral]] = {}
        for one in records:
            if is_open(one) and one.policy in providers:
                day = span_of(one)[0] // MS_PER_DAY
                groups.setdefault((providers[one.policy], one.zone, day), []).append(one)
        done = []
        for (provider, zone, _), some in sorted(groups.items()):
            first_ms = min(span_of(one)[0] for one in some)
            last_ms = max(span_of(one)[1] for one in some)
            series, _ = self._foresight.ask(
                provider, zone, first_ms, max(last_ms, first_ms + 1), now_ms
            )
            for one in some:
                after = settled(one, series, now_ms)
                if after is not None and self._enter(after, one.settled):
                    self._writes.record(after)
                    done.append(after)
        self._after_ms = now_ms + PERIOD_MS
        return done

    def _enter(self, one: Deferral, before: Json | None) -> bool:
        """Append the entry, unless it is there; return whether it is, or is not wanted."""
        if self._ledger is None or one.settled is None or one.settled == before:
            return True
        from greensched.ledger import Ledger

        found = entry(one, before)
        try:
            with Ledger(self._ledger) as ledger:
                if ledger.row_of(found["key"]) is None:
                    ledger.append([found])
        except GreenschedError as error:
            log.warning("job %s/%s is not entered: %s", one.namespace, one.job, error.findings[0])
            return False
        return True
