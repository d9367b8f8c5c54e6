"""What the queue's sources know of intensity, asked as its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched.carbon import Fill
from greensched.errors import GreenschedError

if TYPE_CHECKING:
    from greensched.batch.queue import Queue
    from greensched.providers.chain import Answer


def answer_of(queue: Queue, from_ms: int, until_ms: int, now_ms: int) -> tuple[Answer | None, str]:
    """Return what is known of `[from_ms, until_ms)`, or None and why nothing can be asked."""
    from greensched import registry
    from greensched.providers.cache import Cache, cache_folder
    from greensched.providers.chain import ask
    from greensched.providers.points import Query, Settings
    from greensched.providers.web import Web

    zone, sources = queue.setting("zone"), queue.setting("sources")
    if not zone or not sources:
        return None, "no zone and source of intensity are named"
    given: dict[str, Any] = dict(queue.setting("source_settings") or {})
    fill = given.pop("fill", None)
    settings = Settings(**given, fill=Fill(**fill) if fill else None)
    query = Query(zone=zone, from_ms=from_ms, until_ms=until_ms, now_ms=now_ms)
    try:
        found = [registry.source(text, settings) for text in sources]
        with Web.open() as web:
            answer = ask(found, query, web, Cache(folder=cache_folder()))
    except GreenschedError as error:
        return None, "; ".join(str(finding) for finding in error.findings)
    told = "; ".join(f"{step.source}: {step.what}" for step in answer.steps if step.what)
    return answer, told
