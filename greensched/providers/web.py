"""Asking a server for JSON: retries, `Retry-After`, limits, and errors that say the remedy.

The transport is given (`httpx.Client`), so that nothing here knows whether it is the network.
Redirects are not followed and a token goes over plain HTTP to this machine only.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import math
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import httpx
import stamina

from greensched.errors import Finding, OutsideError, UsageError, escape_control
from greensched.providers.secrets import Secret, masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

log = logging.getLogger("greensched")
# Retries are told by our own log; stamina's would reach stderr past it.
logging.getLogger("stamina").addHandler(logging.NullHandler())

ATTEMPTS: Final = 3
WAIT_MAX_S: Final = 20.0  # a server that asks for more is asked another time
TIMEOUT_S: Final = 15.0  # of one answer
ANSWER_MAX: Final = 64 * 2**20  # bytes, unpacked
MESSAGE_MAX: Final = 200  # characters of a server's own words
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_REMEDIES: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "check the token: it is missing, wrong or expired",
    HTTPStatus.FORBIDDEN: "your plan does not include this",
    HTTPStatus.NOT_FOUND: "check the zone and the address",
    HTTPStatus.TOO_MANY_REQUESTS: "ask less often",
}


class PassingError(OutsideError):
    """A refusal that may pass; `after_s` is how long the server asks to wait."""

    def __init__(self, finding: Finding, after_s: float | None = None) -> None:
        """Keep how long to wait."""
        super().__init__(finding)
        self.after_s = after_s


class UnknownTokenError(OutsideError):
    """A refusal of who asks, whatever he asks for (401)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """An HTTP client with our patience.

    `kept` is what providers remember between requests; `secrets` all that were sent, none of
    which is ever shown, whoever repeats it. `left` are hosts that are not asked for now: until
    when [s, monotonic] and why, by what they asked to be spared.
    """

    client: httpx.Client
    attempts: int = ATTEMPTS
    wait_max_s: float = WAIT_MAX_S
    kept: dict[str, Any] = field(default_factory=dict)
    secrets: list[Secret] = field(default_factory=list)
    left: dict[object, tuple[float, Finding]] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        transport: httpx.BaseTransport | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        attempts: int = ATTEMPTS,
    ) -> Self:
        """Return one over `transport`, or over the network."""
        client = httpx.Client(
            transport=transport,
            timeout=timeout_s,
            headers={"accept": "application/json", "user-agent": "greensched"},
        )
        return cls(client=client, attempts=attempts)

    def __enter__(self) -> Self:
        """Return itself; connections are closed when the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.client.close()

    def get(
        self,
        url: str,
        params: Mapping[str, str | int] | None = None,
        *,
        headers: Mapping[str, Secret] | None = None,
        bearer: Secret | None = None,
        auth: tuple[str, Secret] | None = None,
    ) -> Any:
        """Return the JSON at `url`; retried where that can help, `Retry-After` kept.

        Raises OutsideError with the server's own words and UsageError where a secret would go
        over plain HTTP. What was sent in secret is masked wherever the server repeats it. A host
        that asks to wait, or knows no such token, is not asked again before, or with it.
        """
        sent = {name: secret.reveal() for name, secret in (headers or {}).items()}
        secrets = list((headers or {}).values())
        if bearer is not None:
            sent["authorization"] = f"Bearer {bearer.reveal()}"
            secrets.append(bearer)
        if auth is not None:
            secrets += [auth[1], _basic(*auth)]
        _guard(url, secrets)
        self.secrets.extend(secrets)
        host = urlsplit(url).netloc
        token = (host, *secrets)
        for key in (host, token):
            if key in self.left and time.monotonic() < self.left[key][0]:
                raise OutsideError(self.left[key][1])
        request = self.client.build_request("GET", url, params=params, headers=sent)
        signed = httpx.BasicAuth(auth[0], auth[1].reveal()) if auth else None
        try:
            for attempt in stamina.retry_context(
                on=self._wait, attempts=self.attempts, timeout=None, wait_initial=0.5
            ):
                with attempt:
                    # The answer to a login is a secret itself, and may hold what was sent.
                    return self._once(request, signed, () if auth else secrets)
        except PassingError as error:
            if error.after_s is not None:
                self.left[host] = (time.monotonic() + error.after_s, error.findings[0])
            raise
        except UnknownTokenError as error:
            self.left[token] = (math.inf, error.findings[0])
            raise
        raise AssertionError  # pragma: no cover - stamina raises the last error

    def _wait(self, error: Exception) -> bool | float:
        """Return whether to try again, or after how many seconds."""
        if not isinstance(error, PassingError):
            return False
        if error.after_s is None:
            return True
        return error.after_s if error.after_s <= self.wait_max_s else False

    def _once(
        self, request: httpx.Request, auth: httpx.Auth | None, sent: Sequence[Secret]
    ) -> Any:
        """Return the JSON of one answer, without what was `sent`."""
        where = shown(str(request.url))
        log.info("asking %s", escape_control(where))
        try:
            answer = self.client.send(request, auth=auth, stream=True)
            try:
                body = _body(where, answer)
            finally:
                answer.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = masked(f"no answer: {str(error) or type(error).__name__}", *self.secrets)
            remedy = "check the address and the network"
            raise PassingError(Finding(where=where, what=what, remedy=remedy)) from None
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        if answer.status_code != HTTPStatus.OK:
            _refuse(where, answer, body, self.secrets)
        try:
            return _without(json.loads(body, parse_constant=_no_number), sent)
        except (ValueError, RecursionError):
            what = f"the answer of {len(body):,} bytes is no JSON; it may be cut off"
            remedy = "check the address, or ask again later"
            raise PassingError(Finding(where=where, what=what, remedy=remedy)) from None


def shown(url: str) -> str:
    """Return an address without its parameters, as it may be shown."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def base_url(text: str, default: str, source: str) -> str:
    """Return the address of a source: `text`, or its public one; raises UsageError."""
    if not text and not default:
        remedy = f"write {source}:http://HOST:PORT"
        raise UsageError(Finding(where=source, what="needs its address", remedy=remedy))
    url = (text or default).rstrip("/")
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        what, remedy = "is no address", "such as https://HOST or http://HOST:PORT"
    elif "@" in parts.netloc:
        what, remedy = "holds a password", "give secrets in the environment, not in an address"
    elif parts.query or parts.fragment:
        what, remedy = "has parameters", "give the address alone"
    else:
        return url
    raise UsageError(Finding(where=source, what=f"its address {what}", remedy=remedy))


def _basic(user: str, password: Secret) -> Secret:
    """Return what is sent of a name and a password: it holds both (RFC 7617)."""
    return Secret(base64.b64encode(f"{user}:{password.reveal()}".encode()).decode())


def _guard(url: str, secrets: list[Secret]) -> None:
    parts = urlsplit(url)
    if secrets and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        what = "a token would go there unencrypted"
        raise UsageError(Finding(where=shown(url), what=what, remedy="use https"))


def _body(where: str, answer: httpx.Response) -> bytes:
    body = bytearray()
    for part in answer.iter_bytes():
        body += part
        if len(body) > ANSWER_MAX:
            what = f"the answer is larger than {ANSWER_MAX // 2**20} MiB"
            raise OutsideError(Finding(where=where, what=what, remedy="ask for less"))
    return bytes(body)


def _refuse(where: str, answer: httpx.Response, body: bytes, secrets: list[Secret]) -> NoReturn:
    """Raise what a status other than 200 means."""
    status = answer.status_code
    words = masked(_message(body), *secrets)[:MESSAGE_MAX]
    what = f"answered {status}" + (f": {words}" if words else "")
    remedy = _REMEDIES.get(status, "check the address, which may be another by now")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        remedy = "the fault is there: ask again later"
    if status != HTTPStatus.TOO_MANY_REQUESTS and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        unknown = status == HTTPStatus.UNAUTHORIZED
        refusal = UnknownTokenError if unknown else OutsideError
        raise refusal(Finding(where=where, what=what, remedy=remedy))
    after_s = _retry_after_s(answer)
    if after_s is not None:
        what += f"; it asks to wait {after_s:,.0f} s"
    raise PassingError(Finding(where=where, what=what, remedy=remedy), after_s)


def _without(node: Any, secrets: Sequence[Secret]) -> Any:
    """Return an answer with the secrets in its texts masked, so that no reader can tell them."""
    if not secrets or not isinstance(node, str | list | dict):
        return node
    if isinstance(node, str):
        return masked(node, *secrets)
    if isinstance(node, list):
        return [_without(part, secrets) for part in node]
    return {name: _without(part, secrets) for name, part in node.items()}


def _message(body: bytes) -> str:
    """Return a server's own words, where it has some."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    found = answer if isinstance(answer, dict) else {}
    words = next((found[k] for k in ("message", "error", "detail", "title") if k in found), "")
    if isinstance(words, dict):
        words = words.get("message", "")
    return words if isinstance(words, str) else ""


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After`, which may be a date; None where there is none."""
    text = answer.headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        seconds = float(text)  # some servers send parts of a second
        return seconds if 0.0 <= seconds < math.inf else None
    try:
        until = parsedate_to_datetime(text)
        sent = parsedate_to_datetime(answer.headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (TypeError, ValueError):
        return None


def _no_number(text: str) -> NoReturn:
    message = f"{text} is no JSON"
    raise ValueError(message)
