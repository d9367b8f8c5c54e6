"""What a Prometheus measured, asked for in chunks and saved as its own answers.

A chunk that is saved is not asked for again, so an interrupted fetch goes on where it was. What
was asked for is kept beside the answers, and another question goes to another folder.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from greensched.cli import say
from greensched.errors import Finding, OutsideError, UsageError, escape_control
from greensched.units import MS_PER_DAY, MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from greensched.providers.web import Web

STEP_MS: Final = 5 * MS_PER_MIN
DAYS: Final = 28.0
POINTS_MAX: Final = 11_000  # that Prometheus answers with for one series
TOKEN: Final = "PROMETHEUS_TOKEN"  # noqa: S105 the variable's name
ASKED: Final = "asked.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a server: the span [Unix ms], the time between samples, the metrics."""

    url: str
    from_ms: int
    until_ms: int
    step_ms: int
    renamed: tuple[tuple[str, str], ...] = ()

    def chunks(self) -> list[tuple[int, int]]:
        """Return first and last time of each chunk [Unix ms]: a day, or as much as is allowed."""
        most = min(MS_PER_DAY // self.step_ms, POINTS_MAX) or 1
        length_ms = most * self.step_ms
        return [
            (first, min(first + length_ms, self.until_ms + self.step_ms) - self.step_ms)
            for first in range(self.from_ms, self.until_ms + 1, length_ms)
        ]


def asked_of(url: str, now_ms: int, given: Mapping[str, Any]) -> Asked:
    """Return what the options ask for: `days`, `until`, `step` and `mapped`; raises UsageError."""
    from greensched.cli.options import read_options
    from greensched.providers.web import base_url
    from greensched.readers.cluster.metrics import QUERIES, metric_names
    from greensched.readers.timing import epoch_ms

    options = read_options({k: given.get(k) for k in ("step", "mapped") if given.get(k)})
    options.check_map((*QUERIES, *metric_names()), "prometheus")
    step_ms = options.step_ms or STEP_MS
    if step_ms % MS_PER_S:
        raise UsageError(Finding(where="--step", what="is not whole seconds"))
    until = given.get("until")
    until_ms = epoch_ms(until, "--until") if until else now_ms
    until_ms -= until_ms % step_ms
    days = given.get("days") or DAYS
    steps = round(days * MS_PER_DAY) // step_ms
    if steps < 1:
        what = f"{days:g} days are less than one step of {step_ms / MS_PER_S:g} s"
        raise UsageError(Finding(where="--days", what=what))
    return Asked(
        url=base_url(url, "", "prometheus"),
        from_ms=until_ms - (steps - 1) * step_ms,
        until_ms=until_ms,
        step_ms=step_ms,
        renamed=options.map,
    )


def fetch(asked: Asked, folder: Path, web: Web, told: Callable[[str, float], None]) -> int:
    """Save every chunk of every series in `folder` that is not there; return how many were asked.

    Raises UsageError where the folder has answers to another question, OutsideError as the server
    refuses.
    """
    from greensched.providers.secrets import secret
    from greensched.readers.cluster.metrics import queries
    from greensched.readers.prometheus import UNFINISHED

    _note(asked, folder)
    _save(folder / UNFINISHED, "A fetch has begun here and not ended: run it again.\n")
    wanted = [
        (name, query, chunk)
        for name, query in queries(asked.step_ms, dict(asked.renamed)).items()
        for chunk in asked.chunks()
    ]
    token, count = secret(TOKEN), 0
    for i, (name, query, (first_ms, last_ms)) in enumerate(wanted):
        told(f"asking {asked.url}", i / len(wanted))
        place = folder / f"{name}.{_day(first_ms)}.json"
        if place.exists():
            continue
        params = {
            "query": query,
            "start": f"{first_ms / MS_PER_S:.3f}",
            "end": f"{last_ms / MS_PER_S:.3f}",
            "step": str(asked.step_ms // MS_PER_S),
        }
        answer = web.get(f"{asked.url}/api/v1/query_range", params, bearer=token)
        _check(answer, name)
        _save(place, json.dumps(answer))
        count += 1
    (folder / UNFINISHED).unlink()
    return count


def fetched(url: str, folder: Path, given: Mapping[str, Any]) -> Path:
    """Return the folder with all answers of the server at `url`, asked for where they are not.

    An earlier fetch from there is gone on with, over its span. Raises what `fetch` raises.
    """
    import time

    from greensched.cli.progress import Progress
    from greensched.providers.web import Web

    asked = asked_of(url, round(time.time() * MS_PER_S), given)
    earlier = _noted(folder)
    if earlier is not None and not given.get("until") and _same(earlier, asked, folder):
        asked = earlier
        text = (
            f"going on with {folder}, until {_iso(asked.until_ms)} (a later span: another --out)"
        )
        say.tell(escape_control(text))
    with Web.open() as web, Progress() as progress:
        count = fetch(asked, folder, web, progress)
    span = f"{_iso(asked.from_ms)} .. {_iso(asked.until_ms)}"
    say.tell(escape_control(f"{folder}: {span}, {count:,} answers asked for"))
    return folder


def _same(earlier: Asked, asked: Asked, folder: Path) -> bool:
    """Say whether `folder` has answers to a question that differs only in when it was asked."""
    if not _answers(folder):
        return False
    long_ms = earlier.until_ms - earlier.from_ms
    return (earlier.url, earlier.step_ms, earlier.renamed, long_ms) == (
        asked.url,
        asked.step_ms,
        asked.renamed,
        asked.until_ms - asked.from_ms,
    )


def _answers(folder: Path) -> list[str]:
    """Return what is in a folder beside the notes of what was asked for."""
    return [p.name for p in folder.iterdir() if p.suffix != ".txt"] if folder.exists() else []


def _noted(folder: Path) -> Asked | None:
    """Return what the answers in a folder were asked with, None for a folder without."""
    try:
        found = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        found["renamed"] = tuple((str(k), str(v)) for k, v in found["renamed"])
        return Asked(**found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(asked: Asked, folder: Path) -> None:
    """Keep what is asked for, or raise where the folder has something else."""
    earlier = _noted(folder)
    if earlier == asked:
        return
    if _answers(folder):
        what = f"'{folder}' has other answers already"
        if earlier is not None:
            what += f" ({earlier.url}, until {_iso(earlier.until_ms)})"
        raise UsageError(Finding(where="--out", what=what, remedy="name another folder"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"'{folder}' cannot be made: {error.strerror or error}"
        raise UsageError(Finding(where="--out", what=what)) from None
    _save(folder / ASKED, json.dumps(asdict(asked), indent=1) + "\n")


def _save(place: Path, text: str) -> None:
    """Write a file in full or not at all."""
    part = place.with_name(f".{place.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(place)


def _check(answer: Any, name: str) -> None:
    """Raise where the server did not answer the query of a series."""
    if not isinstance(answer, dict) or answer.get("status") != "success":
        why = str(answer.get("error", "")) if isinstance(answer, dict) else "no answer of a query"
        what = f"the query of {name} failed: {why}"
        remedy = "rename metrics with --map USUAL=YOURS (docs/reference/traces.md)"
        raise OutsideError(Finding(where="prometheus", what=what, remedy=remedy))


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // MS_PER_S, UTC).strftime("%Y-%m-%dT%H%M%SZ")


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // MS_PER_S, UTC).strftime("%Y-%m-%dT%H:%MZ")
