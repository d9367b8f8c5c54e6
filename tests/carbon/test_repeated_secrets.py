"""What a server repeats of the tokens that were sent to it is never told, wherever it says it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import stamina

from greensched.errors import OutsideError
from greensched.providers.cache import Cache
from greensched.providers.chain import ask
from greensched.providers.secrets import Secret
from greensched.providers.web import Web
from tests.carbon.server import Reply, Request, serving
from tests.carbon.worlds import SECRET, TOLD, Told, World, telling, with_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORLD = World(values=tuple(100.0 + i for i in range(12)), past_h=4)
BASIC = base64.b64encode(f"somebody:{SECRET}".encode()).decode()


@pytest.fixture(params=["electricity-maps", "prometheus", "watttime"])
def told(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Told]:
    """Yield every provider that sends a secret, served on this machine."""
    with_secrets(monkeypatch)
    stamina.set_testing(True, attempts=1)
    yield from telling(request.param, WORLD, tmp_path)
    stamina.set_testing(False)


def sent(request: Request) -> str:
    """Return the secret that a request holds, as it holds it."""
    return request.headers.get("auth-token") or request.headers.get("authorization", "")


def texts_as(node: Any, text: str) -> Any:
    """Return an answer in which every text is another."""
    if isinstance(node, list):
        return [texts_as(part, text) for part in node]
    if isinstance(node, dict):
        return {k: v if k == "status" else texts_as(v, text) for k, v in node.items()}
    return text if isinstance(node, str) else node


def as_texts(told: Told, request: Request) -> Reply:
    """Answer with the token as zone, region, unit and time; a login is let through."""
    answer = TOLD[told.name]
    assert answer is not None
    whole = answer(WORLD, request)
    return whole if request.path == "/login" else Reply(body=texts_as(whole.body, sent(request)))


def as_failed(told: Told, request: Request) -> Reply:
    """Answer 200 with an error, a zone and a region that repeat the token."""
    if request.path == "/login":
        return as_texts(told, request)
    error = {"status": "error", "error": f"no access for {sent(request)}"}
    empty: dict[str, Any] = {"history": [], "forecast": [], "data": []}
    return Reply(body={**error, **empty, "zone": sent(request), "meta": {"region": sent(request)}})


@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(as_texts, id="texts"),
        pytest.param(as_failed, id="failed"),
        pytest.param(
            lambda _, r: Reply(status=401, body={"error": f"bad header {r.headers}"}), id="headers"
        ),
        *(
            pytest.param(
                lambda _, r, before=before: Reply(
                    status=403, body={"message": "x" * before + sent(r)}
                ),
                id=f"cut-{before}",
            )
            for before in (180, 190)
        ),
    ],
)
def test_repeated_secrets(
    told: Told, respond: Callable[[Told, Request], Reply], tmp_path: Path
) -> None:
    """A token or a login in a refusal, across its cut, or in any text of an answer is masked."""
    with serving(lambda request: respond(told, request)) as server:
        told.url = server.url
        answer = ask([told.provider], WORLD.query, told.web, Cache(folder=tmp_path / "cache"))
    kept = "".join(f.read_text(encoding="utf-8") for f in (tmp_path / "cache").glob("*"))
    everything = repr(answer) + kept
    assert "***" in everything
    for hidden in (SECRET, BASIC):
        assert hidden[:5] not in everything


def test_secrets_in_a_failed_connection() -> None:
    """The words of an error below HTTP are masked like those of a server."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot send {request.headers['auth-token']}")

    with (
        Web.open(httpx.MockTransport(fail), attempts=1) as web,
        pytest.raises(OutsideError, match=r"no answer: cannot send \*\*\*; check"),
    ):
        web.get("https://x.org", headers={"auth-token": Secret(SECRET)})
