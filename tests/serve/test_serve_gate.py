"""Who may look: the name that is asked for, one-time logins, sessions, headers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from greensched.errors import UsageError
from greensched.serve.app import app_of
from greensched.serve.hub import Hub
from greensched.serve.keys import LOGIN, LOGIN_MS, SESSION, SESSION_MS, Keys, secret_in
from greensched.serve.server import Where, login_address
from greensched.units import MS_PER_MIN

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"0123456789abcdef0123456789abcdef"
NAME = "http://energy.example.org:8017"
PAGES = ("/", "/board.json", "/data/saved.csv", "/events", "/static/app.js", "/nothing")


def _now_ms() -> int:
    return int(time.time() * 1_000)


class _Browser:
    """A browser that keeps cookies and follows no redirects by itself."""

    def __init__(self, keys: Keys | None, *, tls: bool = False) -> None:
        app = app_of(Hub([]), ["energy.example.org"], keys, tls=tls)
        self._app: Any = app
        self._cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return what is answered."""
        return asyncio.run(self._ask(method, path, more))

    async def _ask(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(
            transport=transport, base_url=NAME, cookies=self._cookies
        ) as client:
            answer = await client.request(method, path, **more)
            self._cookies = client.cookies
            return answer


@pytest.mark.parametrize(
    "host", ["evil.example.org", "energy.example.org.evil", "127.0.0.1:8017", "", "[::1]"]
)
def test_other_names_are_refused(host: str) -> None:
    """A request for another host, as of a page that was rebound to us, gets nothing."""
    client = _Browser(None)
    answer = client.ask("GET", "/", headers={"host": host})
    assert 421 == answer.status_code
    assert "Energy control centre" not in answer.text


def test_every_answer_has_the_policy() -> None:
    """Pages, data, refusals and what is not there carry the same strict headers."""
    client = _Browser(None)
    for path in (*(p for p in PAGES if p != "/events"), "/login"):
        headers = client.ask("GET", path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert ("nosniff", "no-store") == (
            headers["x-content-type-options"],
            headers["cache-control"],
        )


@pytest.mark.parametrize("keys", [None, Keys(SECRET, 0)], ids=["loopback", "signed in"])
def test_nothing_can_be_changed(keys: Keys | None) -> None:
    """Every method but reading is refused everywhere, by events, reports and static files too."""
    client = _Browser(keys)
    if keys is not None:
        client.ask("POST", "/login", data={"code": keys.made(LOGIN, _now_ms())})
    for path in (*PAGES, "/results/0", "/static/app.css"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            answer = client.ask(method, path)
            assert (405, "GET, HEAD") == (answer.status_code, answer.headers["allow"]), path


@pytest.mark.parametrize("number", ["0", "9" * 5_000, "-1", "x", "\u0663"])
def test_report_of_no_result_is_not_there(number: str) -> None:
    """A number that names no result, however long, is answered as what is not there."""
    assert 404 == _Browser(None).ask("GET", f"/results/{number}").status_code


@pytest.mark.parametrize("name", ["saved", "intensity", "waits"])
def test_empty_data_are_their_head(name: str) -> None:
    """Tables that have no rows yet are their names of columns alone; other names are not there."""
    client = _Browser(None)
    answer = client.ask("GET", f"/data/{name}.csv")
    assert 200 == answer.status_code
    assert 1 == len(answer.text.splitlines())
    assert {"saved": "day_local,saved_g,jobs"}.get(name, "") in answer.text
    assert 404 == client.ask("GET", "/data/other.csv").status_code


@pytest.mark.parametrize(
    "path", ["/static/app.css%3F/../app.js", "/login%3F", "/static/app.css%23"]
)
def test_coded_paths_open_nothing(path: str) -> None:
    """What only begins as an address that is open, up to a coded ? or #, needs a session."""
    assert 401 == _Browser(Keys(SECRET, 0)).ask("GET", path).status_code


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_nothing_is_shown(path: str) -> None:
    """Beyond loopback every address, data and events too, asks to sign in first."""
    client = _Browser(Keys(SECRET, 0))
    answer = client.ask("GET", path)
    assert 401 == answer.status_code
    assert "Sign in first" in answer.text


def test_login_address_lets_in_once() -> None:
    """The first use sets a strict cookie that opens the page; the second is refused."""
    keys = Keys(SECRET, _now_ms() - 1_000)
    code = keys.made(LOGIN, _now_ms())
    client = _Browser(keys)
    assert (
        200 == client.ask("GET", "/login", params={"code": code}).status_code
    )  # a look uses none
    answer = client.ask("POST", "/login", data={"code": code})
    assert (303, "/") == (answer.status_code, answer.headers["location"])
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert 200 == client.ask("GET", "/").status_code
    other = _Browser(keys)
    assert 403 == other.ask("POST", "/login", data={"code": code}).status_code
    assert 401 == other.ask("GET", "/").status_code


def test_cookie_is_secure_with_tls() -> None:
    """Where the control centre speaks TLS its cookie never goes without."""
    keys = Keys(SECRET, 0)
    client = _Browser(keys, tls=True)
    answer = client.ask("POST", "/login", data={"code": keys.made(LOGIN, _now_ms())})
    assert "; Secure" in answer.headers["set-cookie"]


def test_codes_end() -> None:
    """A login code ends after ten minutes and with the process, a session after a week."""
    keys = Keys(SECRET, 1_000)
    assert keys.use_login(keys.made(LOGIN, 2_000), 2_000 + LOGIN_MS)
    assert not keys.use_login(keys.made(LOGIN, 2_000), 2_001 + LOGIN_MS)
    assert not keys.use_login(keys.made(LOGIN, 999), 1_500)
    session = keys.made(SESSION, 2_000)
    assert keys.is_session(session, 2_000 + SESSION_MS)
    assert not keys.is_session(session, 2_001 + SESSION_MS)


def test_used_codes_are_forgotten_once_they_would_be_too_old() -> None:
    """However many log in, only codes of the last ten minutes are kept."""
    keys = Keys(SECRET, 0)
    for minute in range(100):
        now_ms = minute * MS_PER_MIN
        assert keys.use_login(code := keys.made(LOGIN, now_ms), now_ms)
        assert not keys.use_login(code, now_ms)
    assert 11 == len(keys._used)


@pytest.mark.parametrize("change", ["", "x", "9", "é"])
def test_forged_codes_are_refused(change: str) -> None:
    """A code of another purpose, another secret, or with another time is none."""
    keys, others = Keys(SECRET, 0), Keys(SECRET[::-1], 0)
    code = keys.made(LOGIN, 2_000)
    assert not keys.is_session(code, 2_000)
    assert not keys.use_login(keys.made(SESSION, 2_000), 2_000)
    assert not keys.use_login(others.made(LOGIN, 2_000), 2_000)
    assert not keys.use_login(change + code[1:], 2_000)
    assert not keys.use_login(code + change, 2_000) or not change


def test_secret_is_made_private_and_kept(tmp_path: Path) -> None:
    """A secret's file is made for its owner alone, and holds the same from then on."""
    path = tmp_path / "token"
    secret = secret_in(path)
    assert 0o600 == path.stat().st_mode & 0o777
    assert secret == secret_in(path)
    assert 43 == len(secret)


def test_loose_or_short_secrets_are_refused(tmp_path: Path) -> None:
    """A secret that others may read, or that is short, is no secret."""
    path = tmp_path / "token"
    secret_in(path)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="0640: others may read it; chmod 600"):
        secret_in(path)
    short = tmp_path / "short"
    short.touch(mode=0o600)
    with pytest.raises(UsageError, match="0 characters, of at least 32"):
        secret_in(short)


def test_other_machines_need_a_secret_and_a_name(tmp_path: Path) -> None:
    """An address that others reach is refused without a secret and, if it is all, a name."""
    with pytest.raises(UsageError) as found:
        Where(host="0.0.0.0", port=1).check()  # noqa: S104 refused
    assert 2 == len(found.value.findings)
    Where(host="127.0.0.1", port=1).check()
    Where(host="10.0.0.7", port=1, token_file=tmp_path / "token").check()


def test_login_prints_an_address_that_works(tmp_path: Path) -> None:
    """What `--login` prints is let in by a control centre with the same secret."""
    path = tmp_path / "token"
    keys = Keys(secret_in(path), _now_ms() - 1_000)
    where = Where(host="10.0.0.7", port=8017, names=("energy.example.org",), token_file=path)
    address, _, code = login_address(where).partition("?code=")
    assert f"{NAME}/login" == address
    assert keys.use_login(code, _now_ms())


def test_login_address_needs_the_port(tmp_path: Path) -> None:
    """Of a control centre on any free port `--login` has to be told which that is."""
    where = Where(host="127.0.0.1", port=0, token_file=tmp_path / "token")
    with pytest.raises(UsageError, match="--port 0: is any free one; name the one"):
        login_address(where)
