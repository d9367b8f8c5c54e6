"""The fake API server over HTTP on loopback, for the real client."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from tests.controller.store import PATH, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.controller.store import Json, Store

POLL_S = 0.02


class Front(ThreadingHTTPServer):
    """Serves one store; `refusals` are (status, headers) that come before the next answers."""

    daemon_threads = True

    def __init__(self, store: Store) -> None:
        """Listen on a free port of this machine."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store, self.lock = store, threading.Lock()
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.requests: list[tuple[str, str, str]] = []  # method, path, content type

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"
    timeouts: ClassVar[float] = 5.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 as in the base
        """Say nothing."""

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        server = self.server
        kind = self.headers.get("content-type") or ""
        server.requests.append((self.command, parts.path, kind))
        if server.refusals:
            status, headers = server.refusals.pop(0)
            self._send(status, {"message": "refused", "code": status}, headers)
            return
        if self.command == "GET" and query.get("watch", "").lower() in ("true", "1"):
            self._stream(parts.path, query)
            return
        try:
            with server.lock:
                found = server.store.handle(self.command, parts.path, query, body, "http")
        except RefusedError as refused:
            self._send(refused.status, refused.body(), {})
            return
        self._send(200, found, {})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 as the base calls them

    def _send(self, status: int, body: Json, headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(data)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, path: str, query: dict[str, str]) -> None:
        """Send events as they come, until the time that was asked for is over."""
        match = PATH.fullmatch(path)
        assert match is not None
        space, label = match["namespace"] or "", query.get("labelSelector", "")
        since = int(query.get("resourceVersion") or 0)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        ends_s = time.monotonic() + min(float(query.get("timeoutSeconds", "5")), self.timeouts)
        store, is_over = self.server.store, False
        while not is_over:
            is_over = time.monotonic() >= ends_s
            with self.server.lock:
                try:
                    told = list(store.events(match["plural"], since, space, label))
                except RefusedError as refused:
                    told, is_over = [{"type": "ERROR", "object": refused.body()}], True
                since = max(since, store.version)
                told += [store.bookmark(match["plural"])] if is_over and since else []
            for event in told:
                data = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            time.sleep(POLL_S)
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def served(store: Store) -> Iterator[Front]:
    """Yield a server of a store; it ends with the block."""
    front = Front(store)
    thread = threading.Thread(target=front.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.shutdown()
        front.server_close()
        thread.join()
