"""Settles records as actual intensity comes: asks for it and meters, enters it, then says so.

The entry comes first: after a crash in between it is found by its key and not made again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from greensched.controller.metering import LaterError
from greensched.controller.settle import (
    PATIENCE_MS,
    entry,
    entry_key,
    is_open,
    settled,
    span_of,
)
from greensched.errors import DataError, GreenschedError
from greensched.units import MS_PER_DAY, MS_PER_MIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from greensched.carbon import CarbonIntensity
    from greensched.controller.api import Json
    from greensched.controller.deferral import Deferral
    from greensched.controller.metering import Metering
    from greensched.controller.planner import Foresight
    from greensched.controller.policy import Spec
    from greensched.controller.writes import Writes
    from greensched.ledger import Ledger

log = logging.getLogger("greensched")
PERIOD_MS: Final = 10 * MS_PER_MIN  # until actuals that were not there are asked for again
SOON_MS: Final = MS_PER_MIN  # after which Jobs that ended meanwhile are settled, if they can be


class Settler:
    """Settles for one controller; without a `ledger` records alone keep what was settled.

    The ledger is of dry runs or of what ran, and takes nothing of the other: a record that is left
    of a dry run is closed, and that is all.
    """

    def __init__(
        self,
        foresight: Foresight,
        metering: Metering,
        writes: Writes,
        ledger: Path | None,
        *,
        dry_run: bool = False,
    ) -> None:
        """Begin at once."""
        self._foresight, self._metering, self._writes = foresight, metering, writes
        self._ledger, self._dry_run = ledger, dry_run
        self.ended: set[str] = set()  # UIDs of Jobs that did since the last turn
        self._soon_ms = self._all_ms = 0

    def next_ms(self) -> int:
        """Return when to take a turn."""
        return self._soon_ms if self.ended else self._all_ms

    def turn(
        self, records: Mapping[str, Deferral], specs: Mapping[str, Spec], now_ms: int
    ) -> list[Deferral]:
        """Settle what can be by now, and return it.

        Jobs that ended since the last turn, and every ten minutes all that are open. `specs` are
        the policies' by name; of one that is gone the record knows the provider. Raises ApiError
        where the server refuses for now.
        """
        every = now_ms >= self._all_ms
        if every:
            some = list(records.values())
        else:
            some = [records[uid] for uid in sorted(self.ended) if uid in records]
        groups: dict[tuple[str, str, int], list[Deferral]] = {}
        for one in some:
            if is_open(one):
                spec = specs.get(one.policy)
                provider = one.provider if spec is None else spec.provider
                day = span_of(one)[0] // MS_PER_DAY
                groups.setdefault((provider, one.zone, day), []).append(one)
        done = []
        self._metering.begin_turn()
        for (provider, zone, _), group in sorted(groups.items()):
            first_ms = min(span_of(one)[0] for one in group)
            last_ms = max(span_of(one)[1] for one in group)
            series, _ = self._foresight.ask(
                provider, zone, first_ms, max(last_ms, first_ms + 1), now_ms
            )
            found = [(one, self._settled(one, specs, series, now_ms)) for one in group]
            known = [(after, one.settled) for one, after in found if after is not None]
            news = [one for one, before in known if one.settled not in (None, before)]
            left = self._enter([one for one in news if one.dry_run == self._dry_run])
            for one, _ in known:
                if one.uid not in left:
                    self._writes.record(one)
                    done.append(one)
        self.ended.clear()
        self._all_ms = now_ms + PERIOD_MS if every else self._all_ms
        self._soon_ms = now_ms + SOON_MS
        return done

    def _settled(
        self,
        one: Deferral,
        specs: Mapping[str, Spec],
        series: CarbonIntensity | None,
        now_ms: int,
    ) -> Deferral | None:
        """Settle a record by its meter; one that does not answer is waited for as actuals are."""
        found, spec = settled(one, series, now_ms), specs.get(one.policy)
        if found is None or found.settled == one.settled or spec is None:
            return found
        try:
            metered = self._metering.metered(one, spec.energy)
        except LaterError:
            return found if now_ms - span_of(one)[1] >= PATIENCE_MS else None
        return found if metered is one else settled(metered, series, now_ms)

    def _enter(self, news: Sequence[Deferral]) -> set[str]:
        """Enter what was settled, unless it is there; return the Jobs (UID) that were refused."""
        if self._ledger is None or not news:
            return set()
        from greensched.ledger import Ledger

        try:
            with Ledger(self._ledger) as ledger:
                return _entered(ledger, news)
        except GreenschedError as error:
            log.warning("%d settled Jobs are not entered: %s", len(news), error.findings[0])
            return {one.uid for one in news}


def _entered(ledger: Ledger, news: Sequence[Deferral]) -> set[str]:
    """Append entries, all at once; where that is refused, one by one. Return who was refused."""
    found = {one.uid: _missing(ledger, one) for one in news}
    entries = {uid: record for uid, record in found.items() if record is not None}
    try:
        ledger.append(entries.values())
    except DataError:
        return {uid for uid, record in entries.items() if not _is_entered(ledger, record)}
    return set()


def _missing(ledger: Ledger, one: Deferral) -> Json | None:
    """Return what this ledger is to take of a record, None where it is there."""
    if ledger.row_of(entry_key(one, corrects=True)) is not None:
        return None
    return entry(one, ledger.record_of(entry_key(one)))


def _is_entered(ledger: Ledger, record: Json) -> bool:
    try:
        ledger.append([record])
    except DataError as error:
        log.warning("%s is not entered: %s", record["key"], error.findings[0])
        return False
    return True
