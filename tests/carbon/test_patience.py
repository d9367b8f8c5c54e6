"""What is asked again, when and in how many parts: waits, refusals, logins, long ranges."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx
import pytest
import stamina

from greensched import registry
from greensched.errors import DataError, OutsideError
from greensched.providers.cache import Cache
from greensched.providers.chain import ask
from greensched.providers.points import Settings
from greensched.providers.secrets import Secret
from greensched.providers.web import Web, _retry_after_s
from tests.carbon.server import Reply, Request, serving
from tests.carbon.worlds import HOUR_MS, World, carbon_aware_sdk, watttime, with_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORLD = World(values=tuple(100.0 + i for i in range(12)), past_h=4)
HOUR_S = 3_600.0


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set secrets; try twice, without waiting in between."""
    with_secrets(monkeypatch)
    stamina.set_testing(True, attempts=2)
    yield
    stamina.set_testing(False)


def answering(replies: list[httpx.Response]) -> tuple[httpx.MockTransport, list[str]]:
    """Return who gives the replies in turn, the last for ever, and who notes what was asked."""
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        found = replies[min(len(asked), len(replies)) - 1]
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    return httpx.MockTransport(respond), asked


def test_host_that_asks_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that asks to wait an hour is not asked for anything before; another one is."""
    clock = [0.0]
    monkeypatch.setattr(
        "greensched.providers.web.time", SimpleNamespace(monotonic=lambda: clock[0])
    )
    wait = httpx.Response(429, headers={"retry-after": "3600"})
    transport, asked = answering([wait, httpx.Response(200, content=b"[1]")])
    with Web.open(transport) as web:
        for path, now_s in (("a", 0.0), ("a", 1.0), ("b", HOUR_S - 1.0)):
            clock[0] = now_s
            with pytest.raises(OutsideError, match="it asks to wait 3,600 s"):
                web.get(f"https://x.org/{path}")
        assert ["/a"] == asked
        assert [1] == web.get("https://y.org/c")
        clock[0] = HOUR_S
        assert [1] == web.get("https://x.org/d")


def test_unknown_token_is_shown_once() -> None:
    """A host that does not know a token is not asked with it again; with another one it is."""
    transport, asked = answering([httpx.Response(401), httpx.Response(200, content=b"[1]")])
    with Web.open(transport) as web:
        for _ in range(2):
            with pytest.raises(OutsideError, match="answered 401; check the token"):
                web.get("https://x.org/a", bearer=Secret("old"))
        assert "old" not in repr(web)
        assert 1 == len(asked)
        assert [1] == web.get("https://x.org/a", bearer=Secret("new"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2.0), ("1.5", 1.5), ("-5", None), ("nan", None), ("1e999", None), ("soon", None)],
)
def test_waits_in_seconds(text: str, seconds: float | None) -> None:
    """A wait is a number of seconds, with parts; what is none is left out."""
    assert seconds == _retry_after_s(httpx.Response(429, headers={"retry-after": text}))


def test_wait_outlives_the_command(tmp_path: Path) -> None:
    """Who was asked to wait asks once in a question, and another command not before it is over."""
    source = registry.source("uk-carbon-intensity", Settings())
    transport, asked = answering([httpx.Response(429, headers={"retry-after": "3600"})])
    cache = Cache(folder=tmp_path)
    told = []
    for later_ms, times in ((0, 1), (HOUR_MS - 1, 1), (HOUR_MS, 2)):
        at_ms = WORLD.now_ms + later_ms
        query = replace(WORLD.query, now_ms=at_ms, until_ms=at_ms + HOUR_MS)
        with Web.open(transport) as web:
            told.append(ask([source], query, web, cache).steps[0].what)
        assert times == len(asked), later_ms
    assert "asked to be left alone until 2026-03-01T01:00:00Z" in told[1]


def test_login_before_the_token_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of 30 minutes is used for 24 and not for 30: then one logs in anew."""
    clock = [0.0]
    monkeypatch.setattr(
        "greensched.providers.watttime.time", SimpleNamespace(monotonic=lambda: clock[0])
    )
    with serving(lambda request: watttime(WORLD, request)) as server, Web.open() as web:
        source = registry.source(f"watttime:{server.url}", Settings())
        for now_s, logins in ((0.0, 1), (24 * 60.0, 1), (30 * 60.0, 2)):
            clock[0] = now_s
            source.forecast(WORLD.query, web)
            assert logins == [request.path for request in server.asked].count("/login")


def test_long_ranges_are_asked_in_parts() -> None:
    """The UK source takes 14 days at a time, which 20 days are asked for in, without a gap."""
    query = replace(WORLD.query, from_ms=WORLD.now_ms - 20 * 24 * HOUR_MS)
    transport, asked = answering([httpx.Response(200, content=b'{"data": []}')])
    with Web.open(transport) as web:
        registry.source("uk-carbon-intensity", Settings()).actual(query, web)
    assert [
        "/intensity/2026-02-09T00:00Z/2026-02-23T00:00Z",
        "/intensity/2026-02-23T00:00Z/2026-03-01T00:00Z",
    ] == asked


def test_watttime_of_another_signal() -> None:
    """An answer of another signal than asked for is refused: health damage is no carbon."""

    def respond(request: Request) -> Reply:
        reply = watttime(WORLD, request)
        if request.path != "/login":
            reply.body["meta"]["signal_type"] = "health_damage"
        return reply

    with serving(respond) as server, Web.open() as web:
        source = registry.source(f"watttime:{server.url}", Settings())
        with pytest.raises(DataError, match="answered for signal 'health_damage', asked for 'co2"):
            source.forecast(WORLD.query, web)


def test_carbon_aware_sdk_of_another_place() -> None:
    """A forecast of another location is refused, as are rows of two; one alias of it is not."""
    source = registry.source("carbon-aware-sdk:https://x.org", Settings(signal="average"))
    params = {"location": WORLD.zone}
    asked = Request(path="/emissions/forecasts/current", params=params, headers={})
    for places, other, match in (
        ({"FR"}, "FR", "answered for 'FR', asked for 'GB'"),
        ({"GB", "FR"}, "GB", "answered for several places: 'FR', 'GB'"),
        ({"alias"}, "GB", ""),
    ):
        reply = carbon_aware_sdk(WORLD, asked)
        (part,) = reply.body
        part["location"] = other
        for row, place in zip(part["forecastData"], sorted(places) * 8, strict=False):
            row["location"] = place
        transport, _ = answering([httpx.Response(200, content=reply.data)])
        with Web.open(transport) as web:
            if not match:
                assert len(source.forecast(WORLD.query, web))
                continue
            with pytest.raises(DataError, match=match):
                source.forecast(WORLD.query, web)
