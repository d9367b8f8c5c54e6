"""What sources on the network do wrong, over every one of them: refusals, faults, nonsense."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from greensched import registry
from greensched.errors import DataError, GreenschedError, OutsideError, UsageError
from greensched.providers.cache import Cache
from greensched.providers.chain import ask
from greensched.providers.gates import judged
from greensched.providers.points import Settings
from greensched.providers.web import Web
from tests.carbon.server import Reply, Request, serving
from tests.carbon.worlds import LIVE, SECRET, TOLD, Told, World, telling, with_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.carbon.server import Server

WORLD = World(values=tuple(100.0 + i for i in range(12)), past_h=4)


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set secrets; try three times, without waiting in between."""
    with_secrets(monkeypatch)
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


@pytest.fixture(params=LIVE)
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Told]:
    """Yield every provider on the network in turn, served on this machine."""
    yield from telling(request.param, WORLD, tmp_path)


def asked(told: Told, respond: Callable[[Request], Reply]) -> tuple[Any, Server]:
    """Return the points or error of a provider whose server answers so, and the server."""
    with serving(respond) as server:
        told.url = server.url
        try:
            return told.provider.actual(WORLD.query, told.web), server
        except GreenschedError as error:
            return error, server


def but_for_login(told: Told, reply: Reply) -> Callable[[Request], Reply]:
    """Return a server that lets one log in and then answers `reply`."""
    answer = TOLD[told.name]
    assert answer is not None
    return lambda r: answer(WORLD, r) if r.path == "/login" else reply


@pytest.mark.parametrize(
    ("status", "tries", "remedy"),
    [
        (401, 1, "check the token"),
        (403, 1, "your plan does not include this"),
        (404, 1, "check the zone"),
        (429, 3, "ask less often"),
        (500, 3, "the fault is there: ask again later"),
        (503, 3, "ask again later"),
        (302, 1, "check the address"),
    ],
)
def test_refusals(told: Told, status: int, tries: int, remedy: str) -> None:
    """A refusal tells status, the server's words and a remedy; 429 and 5xx are asked again."""
    body = {"message": f"no, {SECRET}", "error": "your plan lacks history"}
    reply = Reply(status=status, body=body, headers={"location": "https://example.org/"})
    error, server = asked(told, but_for_login(told, reply))
    assert isinstance(error, OutsideError)
    assert f"answered {status}: no, " in str(error)
    assert remedy in str(error)
    assert SECRET not in str(error) or told.name in {"uk-carbon-intensity", "carbon-aware-sdk"}
    assert tries == len([r for r in server.asked if r.path != "/login"])


def test_retry_after(told: Told) -> None:
    """A source that asks to wait longer than is worth it is left, and how long is told."""
    reply = Reply(status=429, body={}, headers={"retry-after": "3600"})
    error, server = asked(told, but_for_login(told, reply))
    assert "it asks to wait 3,600 s" in str(error)
    assert 1 == len([r for r in server.asked if r.path != "/login"])


def test_passing_fault(told: Told) -> None:
    """A fault that passes is not noticed: the third answer counts."""
    answer, counts = TOLD[told.name], {"n": 0}
    assert answer is not None

    def respond(request: Request) -> Reply:
        counts["n"] += request.path != "/login"
        faulty = request.path != "/login" and counts["n"] < 3
        return Reply(status=502, body={}) if faulty else answer(WORLD, request)

    points, _ = asked(told, respond)
    assert len(points) > 0


@pytest.mark.parametrize("cut", [1, 20])
def test_cut_off(told: Told, cut: int) -> None:
    """An answer that ends too early is an error after three tries, never half an answer."""
    answer = TOLD[told.name]
    assert answer is not None

    def respond(request: Request) -> Reply:
        whole = answer(WORLD, request)
        if request.path == "/login":
            return whole
        # Once with fewer bytes than announced, and once with the right number of too few.
        return Reply(body=whole.data, cut=cut) if cut > 1 else Reply(body=whole.data[:-cut])

    error, server = asked(told, respond)
    assert isinstance(error, OutsideError)
    assert "no answer" in str(error) or "may be cut off" in str(error)
    assert 3 == len([r for r in server.asked if r.path != "/login"])


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b"null", b'{"data": 5}', b'[["a"]]', b"NaN"]
)
def test_nonsense(told: Told, body: bytes) -> None:
    """An answer of another shape is an error that says so; the one empty list means nothing."""
    error, _ = asked(told, but_for_login(told, Reply(body=body)))
    if told.name == "carbon-aware-sdk" and body in {b"[]", b"null"}:
        assert 0 == len(error)
        return
    assert isinstance(error, OutsideError | DataError)
    assert all("check " in finding.remedy for finding in error.findings)


def bent(told: Told, change: Callable[[str], str]) -> Any:
    """Return what becomes of an answer whose text was changed."""
    answer = TOLD[told.name]
    assert answer is not None

    def respond(request: Request) -> Reply:
        whole = answer(WORLD, request)
        return (
            whole if request.path == "/login" else Reply(body=change(whole.data.decode()).encode())
        )

    return asked(told, respond)[0]


HUGE = (10**30, 10**400, 1e300, 1e308)
WRONG: tuple[Any, ...] = (None, 5, *HUGE, "x", "2026-03-01T00:00", True, [], [[]], {}, [5])


def places_in(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every node of an answer; of a list the first element stands for all."""
    yield path
    if not isinstance(node, dict | list):
        return
    keys = list(node) if isinstance(node, dict) else range(min(1, len(node)))
    for key in keys:
        yield from places_in(node[key], (*path, key))


def with_node(node: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    """Return an answer in which one node is another."""
    if not path:
        return wrong
    changed = dict(node) if isinstance(node, dict) else list(node)
    changed[path[0]] = with_node(node[path[0]], path[1:], wrong)
    return changed


@pytest.mark.parametrize("kind", ["actual", "forecast"])
def test_any_wrong_node(told: Told, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any node of an answer that is of another type gives points or a told error, no crash."""
    answers: list[Any] = []
    true_get = Web.get

    def kept(web: Web, *given: Any, **more: Any) -> Any:
        answers.append(true_get(web, *given, **more))
        return answers[-1]

    monkeypatch.setattr(Web, "get", kept)
    getattr(told.provider, kind)(WORLD.query, told.web)
    tried = [(i, p, w) for i, whole in enumerate(answers) for p in places_in(whole) for w in WRONG]
    for place, path, wrong in tried:
        told.web.kept.clear()
        bent = list(answers)
        bent[place] = with_node(answers[place], path, wrong)
        monkeypatch.setattr(Web, "get", lambda *_, left=bent, **__: left.pop(0))
        with contextlib.suppress(GreenschedError):
            points = getattr(told.provider, kind)(WORLD.query, told.web)
            judged(points, live=True, now_ms=WORLD.now_ms)


def test_naive_times_of_issue(told: Told) -> None:
    """A forecast made at a time without an offset is refused; the next source is asked."""
    if told.name not in {"electricity-maps", "watttime", "carbon-aware-sdk"}:
        return  # the others do not say when a forecast was made
    answer = TOLD[told.name]
    assert answer is not None
    shape = re.compile(r'("(?:updatedAt|generated_at|generatedAt)": "[^"Z+]+)[^"]*"')

    def respond(request: Request) -> Reply:
        whole = answer(WORLD, request)
        return Reply(body=shape.sub(r'\g<1>"', whole.data.decode()).encode())

    other = registry.source("constant:400", Settings())
    with serving(respond) as server:
        told.url = server.url
        found = ask([told.provider, other], WORLD.query, told.web, Cache(folder=None))
    assert "has no offset: it could mean any hour" in found.steps[0].what


def test_naive_times(told: Told) -> None:
    """A time without an offset is refused and named: it could mean any hour."""
    if told.name == "prometheus":
        return  # its times are numbers
    error = bent(told, lambda text: text.replace('Z"', '"').replace('+00:00"', '"'))
    assert isinstance(error, DataError)
    assert "has no offset: it could mean any hour" in str(error)


def test_text_for_numbers(told: Told) -> None:
    """A value that is text, true or endless is refused, and every one is told."""
    shape = re.compile(r'("(?:carbonIntensity|value|actual|rating)": |\d, )"?[\d.]+"?')
    for bad in ('"x"', "true", "1e999", "[]"):
        error = bent(told, partial(shape.sub, rf"\g<1>{bad}"))
        assert isinstance(error, DataError), bad
        assert "is no finite number" in str(error) or told.name == "prometheus"
        assert len(error.findings) >= (1 if told.name == "prometheus" else WORLD.past_h)


def test_another_zone(told: Told) -> None:
    """An answer for another zone than asked for is refused."""
    if told.name in {"uk-carbon-intensity", "prometheus", "carbon-aware-sdk"}:
        return  # their past says no zone
    error = bent(told, lambda text: text.replace('"GB"', '"FR"'))
    assert isinstance(error, DataError)
    assert "asked for" in str(error)


def test_ten_hours_of_zeros(told: Told) -> None:
    """A feed that says 0 for ten hours is not believed; the next source is, and both are told."""
    told.world = World(values=(0.0,) * 10)
    query = told.world.query
    other = registry.source("constant:400", Settings())
    answer = ask([told.provider, other], query, told.web, Cache(folder=None))
    first, second = answer.steps[:2]
    assert answer.is_whole
    assert answer.series is not None
    assert [400.0] == answer.series.values_g_per_kwh.tolist() or told.name == "watttime"
    assert told.name == first.source
    assert (0.0, "10 of 10 values not above 0" in first.what or told.name == "prometheus") == (
        first.filled_h,
        True,
    )
    assert 10.0 == second.filled_h


def test_missing_secrets(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its token a source says which variable it is looked for in, and asks nobody."""
    for variable in ("ELECTRICITY_MAPS_TOKEN", "WATTTIME_PASSWORD", "WATTTIME_USER"):
        monkeypatch.delenv(variable)
    if told.name not in {"electricity-maps", "watttime"}:
        return
    error, server = asked(told, lambda _: Reply(body={}))
    assert isinstance(error, UsageError)
    assert "set $" in str(error)
    assert [] == server.asked


def test_secrets_stay_secret(told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No token is in a provider's text, its points, its cache, any log or any error."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="greensched")
    cache = Cache(folder=tmp_path / "cache")
    answer = ask([told.provider], WORLD.query, told.web, cache)
    refused, _ = asked(told, but_for_login(told, Reply(status=500, body={"error": "no"})))
    kept = "".join(f.read_text(encoding="utf-8") for f in (tmp_path / "cache").glob("*"))
    everything = "\n".join(
        [repr(told.provider), told.provider.place, repr(answer), str(refused), kept, caplog.text]
    )
    assert told.name in everything
    assert SECRET not in everything
    assert "Basic " not in everything


def test_tokens_are_not_sent_in_the_clear(told: Told) -> None:
    """A token goes over plain HTTP to this machine only."""
    if told.name not in {"electricity-maps", "watttime", "prometheus"}:
        return
    told.url = "http://intensity.example.org"
    with pytest.raises(UsageError, match="a token would go there unencrypted; use https"):
        told.provider.actual(WORLD.query, told.web)


def test_addresses_hold_no_secrets() -> None:
    """An address with a password, parameters or another scheme is refused without repeating it."""
    for text in (f"https://me:{SECRET}@x.org", f"https://x.org/?token={SECRET}", "ftp://x", "x"):
        with pytest.raises(UsageError) as caught:
            registry.source(f"electricity-maps:{text}", Settings())
        assert SECRET not in str(caught.value)


def test_no_answer_at_all(told: Told) -> None:
    """Where nobody listens the error says so; the chain tells it and goes on."""
    told.url = "http://127.0.0.1:9"
    other = registry.source("constant:400", Settings(signal="average"))
    answer = ask([told.provider, other], WORLD.query, told.web, Cache(folder=None))
    assert "no answer" in answer.steps[0].what
    assert answer.is_whole


def test_large_answers_are_cut(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer beyond the limit is not read to its end, nor asked for again."""
    monkeypatch.setattr("greensched.providers.web.ANSWER_MAX", 10)
    error, server = asked(told, lambda _: Reply(body=json.loads("[1,2,3,4,5,6,7,8,9]")))
    assert "the answer is larger than" in str(error)
    assert 1 == len(server.asked)


@pytest.mark.parametrize(
    ("points", "count"), [(1_000, "1,000 bad points in all"), (5, "5 findings in all")]
)
def test_many_findings_are_counted(points: int, count: str) -> None:
    """Of an answer with many bad points three are told, and how many there are."""
    row = {"from": "x", "to": "y", "intensity": {"actual": 1}}
    query = replace(WORLD.query, until_ms=WORLD.now_ms)
    with serving(lambda _: Reply(body={"data": [row] * points})) as server, Web.open() as web:
        source = registry.source(f"uk-carbon-intensity:{server.url}", Settings())
        told = ask([source], query, web, Cache(folder=None)).steps[0].what
    assert 3 == told.count("is no ISO 8601 time")
    assert count in told
