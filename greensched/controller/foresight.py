"""What is known of intensity: the sources that were named at start, asked in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.providers.cache import Cache
from greensched.providers.chain import ask
from greensched.providers.points import Query
from greensched.providers.web import Web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from greensched.carbon import CarbonIntensity
    from greensched.providers.points import Provider


class Sources:
    """Chains of sources by name. Policies name one; they cannot say where it is.

    `folder` keeps answers, so that the last good forecast outlives an outage and a restart.
    """

    def __init__(
        self,
        named: Mapping[str, Sequence[Provider]],
        folder: Path | None = None,
        web: Callable[[], Web] = Web.open,
    ) -> None:
        """Take chains by name."""
        self._named, self._cache, self._web = named, Cache(folder=folder), web

    def ask(
        self, provider: str, zone: str, from_ms: int, until_ms: int, now_ms: int
    ) -> tuple[CarbonIntensity | None, str]:
        """Return what is known from `from_ms` on, None where nothing is, and what was told."""
        if provider not in self._named:
            known = ", ".join(sorted(self._named)) or "none"
            return None, f"no source is named {provider!r}; named are: {known}"
        query = Query(zone=zone, from_ms=from_ms, until_ms=until_ms, now_ms=now_ms)
        with self._web() as web:
            answer = ask(self._named[provider], query, web, self._cache)
        told = "; ".join(f"{step.source}: {step.what}" for step in answer.steps if step.what)
        return answer.series, told
