"""What sources answered, kept in the user's cache folder: fewer questions, and a last good answer.

One JSON file for each source, zone and kind. Within its expiry an answer stands for the source;
measured values are gathered, so that a source that tells of one day only has a history in time;
the last good forecast helps when nobody answers. No secret is ever in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from greensched.carbon import FORECAST, Labels
from greensched.providers.points import Points, points_of
from greensched.units import MS_PER_DAY, MS_PER_MIN

if TYPE_CHECKING:
    from greensched.providers.points import Provider, Query

log = logging.getLogger("greensched")
Kind: TypeAlias = Literal["actual", "forecast"]

VERSION: Final = 1
EXPIRY_MS: Final = 15 * MS_PER_MIN  # feeds are renewed every 5 to 60 minutes
KEPT_MS: Final = 70 * MS_PER_DAY  # of measured values
_DAMAGED: Final = (OSError, OverflowError, KeyError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer, when it was given and for which span."""

    points: Points
    asked_ms: int
    from_ms: int
    until_ms: int

    def answers(self, query: Query, expiry_ms: int) -> bool:
        """Tell whether it still stands for what the source would say."""
        fresh = 0 <= query.now_ms - self.asked_ms < expiry_ms
        past = query.until_ms <= query.now_ms  # of which it told all there was
        return (
            fresh and self.from_ms <= query.from_ms and (past or query.until_ms <= self.until_ms)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Answers below `folder`; without a folder nothing is kept."""

    folder: Path | None
    expiry_ms: int = EXPIRY_MS

    def read(self, source: Provider, kind: Kind, zone: str) -> Kept | None:
        """Return what was kept, None where there is nothing or it cannot be read."""
        file = self._file(source, kind, zone)
        if file is None:
            return None
        try:
            return _kept(json.loads(file.read_text(encoding="utf-8")), zone)
        except FileNotFoundError:
            return None
        except _DAMAGED as error:
            log.warning("the kept answer %s is damaged (%s); it is left aside", file, error)
            return None

    def keep(self, source: Provider, kind: Kind, query: Query, points: Points) -> Points:
        """Keep an answer; return it, measured values together with those that were kept before.

        Of two values for one time the new one counts: sources correct themselves.
        """
        before = self.read(source, kind, query.zone)
        from_ms, until_ms = query.from_ms, query.until_ms
        if kind == "actual" and before is not None:
            points = _gathered(before.points, points, query.now_ms - KEPT_MS)
            if before.from_ms <= query.from_ms <= before.until_ms:
                from_ms = before.from_ms
        file = self._file(source, kind, query.zone)
        if file is not None and len(points):
            plain = {
                "version": VERSION,
                "source": source.name,
                "asked_ms": query.now_ms,
                "from_ms": from_ms,
                "until_ms": until_ms,
                **_plain(points),
            }
            _write(file, json.dumps(plain, allow_nan=False))
        return points

    def hold(self, source: Provider, until_ms: int) -> None:
        """Keep that a source asks to be left until then; a day at most."""
        file = self._wait_file(source)
        if file is not None:
            _write(file, json.dumps({"version": VERSION, "until_ms": until_ms}))

    def held_until_ms(self, source: Provider, now_ms: int) -> int:
        """Return until when a source asked to be left; `now_ms` where it did not."""
        file = self._wait_file(source)
        with contextlib.suppress(*_DAMAGED):
            if file is not None:
                until_ms = int(json.loads(file.read_text(encoding="utf-8"))["until_ms"])
                return min(max(until_ms, now_ms), now_ms + MS_PER_DAY)
        return now_ms

    def _wait_file(self, source: Provider) -> Path | None:
        if self.folder is None or not source.live:
            return None
        key = hashlib.sha256(f"{source.name}\0{source.place}".encode()).hexdigest()[:12]
        return self.folder / f"{source.name}-wait-{key}.json"

    def _file(self, source: Provider, kind: Kind, zone: str) -> Path | None:
        if self.folder is None or not source.live:
            return None
        key = hashlib.sha256(f"{source.name}\0{source.place}\0{zone}".encode()).hexdigest()[:12]
        plain = re.sub(r"[^A-Za-z0-9-]", "-", zone)[:40]
        return self.folder / f"{source.name}-{plain}-{kind}-{key}.json"


def cache_folder() -> Path:
    """Return the folder of answers: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "greensched" / "carbon"


def _gathered(old: Points, new: Points, since_ms: int) -> Points:
    """Return the points of both; where a new one begins, no old one does."""
    keep = ~np.isin(old.start_ms, new.start_ms) & (old.end_ms > since_ms)
    both = [
        *_rows(old, keep),
        *_rows(new, np.ones(len(new), np.bool_)),
    ]
    return points_of(new.zone, sorted(both), new.labels, new.notes)


def _rows(points: Points, keep: Any) -> list[tuple[int, int, float, int]]:
    columns = (points.start_ms, points.end_ms, points.values_g_per_kwh, points.status)
    return list(zip(*(column[keep].tolist() for column in columns), strict=True))


def _plain(points: Points) -> dict[str, Any]:
    rows = _rows(points, np.ones(len(points), np.bool_))
    return {
        "labels": asdict(points.labels),
        "notes": list(points.notes),
        "points": [[a, b, None if math.isnan(v) else v, s] for a, b, v, s in rows],
    }


def _kept(plain: dict[str, Any], zone: str) -> Kept:
    """Return what a file holds; raises ValueError and others where it is damaged."""
    if plain["version"] != VERSION:
        message = f"version {plain['version']}"
        raise ValueError(message)
    rows = [
        (int(a), int(b), math.nan if v is None else float(v), int(s))
        for a, b, v, s in plain["points"]
    ]
    if any(s not in range(FORECAST + 1) for *_, s in rows):
        message = "an unknown status"
        raise ValueError(message)
    points = points_of(zone, rows, Labels(**plain["labels"]), tuple(plain["notes"]))
    return Kept(
        points=points,
        asked_ms=int(plain["asked_ms"]),
        from_ms=int(plain["from_ms"]),
        until_ms=int(plain["until_ms"]),
    )


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all; a cache that cannot be written is told, and no error."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
            Path(name).replace(file)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        log.warning("the answer cannot be kept in %s (%s)", file.parent, error.strerror)
