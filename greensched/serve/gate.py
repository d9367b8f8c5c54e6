"""What stands before every request: whose name was asked for, who asks, and headers of answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from greensched.serve import page
from greensched.serve.keys import LOGIN_MS, SESSION, SESSION_MS
from greensched.units import MS_PER_MIN, MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from greensched.serve.keys import Keys

COOKIE: Final = "greensched"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
OPEN: Final = ("/login", "/static/app.css")  # what is needed to sign in
READING: Final = ("GET", "HEAD")
FORM_MAX: Final = 4096
FORM_S: Final = 10.0  # within which it has to be here


class Gate:
    """Lets through what asks for one of `hosts`, and, where there are `keys`, has a session."""

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], keys: Keys | None, *, tls: bool
    ) -> None:
        """Stand before `app`; without `keys` everybody may read, as on loopback."""
        self._app, self._hosts, self._keys, self._tls = app, frozenset(hosts), keys, tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = await self._answer(Request(scope, receive))
        await (answer or self._app)(scope, receive, with_headers)

    async def _answer(self, request: Request) -> Response | None:
        """Return what is answered here, None where the request may pass."""
        named = [_name(value) for value in request.headers.getlist("host")]
        if len(named) != 1 or named[0] not in self._hosts:
            said = (
                f"this is not the host that was asked for; known: {', '.join(sorted(self._hosts))}"
            )
            return PlainTextResponse(said + "\n", 421)
        path = request.scope["path"]  # as routes compare it: of `url` a coded `?` would end it
        if self._keys is not None and path == OPEN[0]:
            return await self._login(self._keys, request)
        if request.method not in READING:
            return PlainTextResponse("nothing can be changed here\n", 405, _allow(READING))
        if self._keys is None or path == OPEN[1]:
            return None
        if self._keys.is_session(request.cookies.get(COOKIE, ""), _now_ms()):
            return None
        return _page("signin.html", 401)

    async def _login(self, keys: Keys, request: Request) -> Response:
        """Show a button, so that who only looks at links uses none up; then let in, once."""
        if request.method in READING:
            code = request.query_params.get("code", "")
            return _page("login.html", code=code)
        if request.method != "POST":
            return PlainTextResponse("only to sign in\n", 405, _allow((*READING, "POST")))
        if not keys.use_login(await _code(request), _now_ms()):
            return _page("signin.html", 403, minutes=LOGIN_MS // MS_PER_MIN)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            keys.made(SESSION, _now_ms()),
            max_age=SESSION_MS // MS_PER_S,
            httponly=True,
            secure=self._tls,
            samesite="strict",
        )
        return answer


def _allow(methods: Collection[str]) -> dict[str, str]:
    return {"allow": ", ".join(methods)}


def _name(host: str) -> str:
    """Return the name of a Host header without its port: a page elsewhere cannot choose it."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


async def _code(request: Request) -> str:
    """Return the code of a form that was sent; nothing of one that is too long or too slow."""
    from urllib.parse import parse_qs

    body = b""
    try:
        async with asyncio.timeout(FORM_S):
            async for part in request.stream():
                body += part
                if len(body) > FORM_MAX:
                    return ""
    except TimeoutError:
        return ""
    return parse_qs(body.decode("utf-8", errors="replace")).get("code", [""])[0]


def _page(template: str, status: int = 200, **given: Any) -> Response:
    given = {"minutes": LOGIN_MS // MS_PER_MIN, **given}
    return Response(page.plain(template, **given), status, media_type="text/html")


def _now_ms() -> int:
    return int(time.time() * MS_PER_S)
