"""The addresses of the control centre; all of them only read."""

from __future__ import annotations

import asyncio
import html
import json
import re
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from greensched.errors import GreenschedError
from greensched.report.tables import csv_text
from greensched.serve.charts import COLUMNS
from greensched.serve.events import Events
from greensched.serve.gate import Gate
from greensched.serve.watch.result import ResultWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from greensched.serve.board import Board
    from greensched.serve.hub import Hub
    from greensched.serve.keys import Keys

# A report allows its own scripts by their hashes, and nothing else.
POLICY_OF_REPORT: Final = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')
DIGITS_MAX: Final = 9
STATIC: Final = Path(__file__).parent / "static"


def app_of(
    hub: Hub, hosts: Collection[str], keys: Keys | None = None, *, tls: bool = False
) -> ASGIApp:
    """Return the application; `hosts` are the names that it answers to, with their port."""

    async def whole(_: Request) -> Response:
        return HTMLResponse(hub.html)

    async def board(_: Request) -> Response:
        return Response(_json(hub.board), media_type="application/json")

    async def data(request: Request) -> Response:
        text = _csv(hub, request.path_params["name"])
        if text is None:
            return PlainTextResponse("there is no such table\n", 404)
        return Response(text, media_type="text/csv")

    async def result(request: Request) -> Response:
        watch = hub.watch(_number(request.path_params["number"]))
        if not isinstance(watch, ResultWatch):
            return PlainTextResponse("no result is watched there\n", 404)
        try:
            text = await asyncio.to_thread(watch.page)
        except GreenschedError as error:
            return PlainTextResponse(f"{error.findings[0]}\n", 404)
        found = POLICY_OF_REPORT.search(text)
        assert found is not None
        policy = f"{html.unescape(found[1])}; frame-ancestors 'none'"
        return HTMLResponse(text, headers={"content-security-policy": policy})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with hub.running():
            yield

    routes = [
        Route("/", whole),
        Route("/board.json", board),
        Route("/data/{name}.csv", data),
        Route("/results/{number}", result),
        Route("/events", Events(hub)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Gate(Starlette(routes=routes, lifespan=lifespan), hosts, keys, tls=tls)


def _number(text: str) -> int:
    """Return the number of a place; -1, which is none's, where a text names none."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX
    return int(text) if is_number else -1


def _json(board: Board) -> str:
    """Return a board as values, without pictures and each job's saving, which `days` sum."""
    looks = [asdict(replace(look, savings={}, pictures={})) for look in board.looks]
    for look in looks:
        del look["savings"], look["pictures"]
    return json.dumps({**asdict(replace(board, looks=())), "looks": looks}, default=str)


def _empty(name: str) -> str | None:
    """Return the head of a chart's data, which has no rows yet; None: no chart has that name."""
    return csv_text(COLUMNS[name], []) if name in COLUMNS else None


def _csv(hub: Hub, name: str) -> str | None:
    """Return the data of a chart or of the jobs, safe for spreadsheets; None: nothing is there."""
    if name != "waits":
        chart = hub.charts.get(name)
        return _empty(name) if chart is None else chart.csv
    head = ("id", "name", "state", "why", "cores", "start_utc_ms", "latest_start_utc_ms")
    return csv_text(
        head,
        [
            (t.id, t.name, t.state, t.why, t.cores, t.start_ms, t.latest_start_ms)
            for t in hub.board.tasks
        ],
    )
