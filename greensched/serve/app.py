"""The addresses of the control centre; all of them only read."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from greensched.report.tables import csv_text
from greensched.serve.events import Events
from greensched.serve.gate import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from greensched.serve.hub import Hub
    from greensched.serve.keys import Keys

STATIC: Final = Path(__file__).parent / "static"


def app_of(
    hub: Hub, hosts: Collection[str], keys: Keys | None = None, *, tls: bool = False
) -> ASGIApp:
    """Return the application; `hosts` are the names that it answers to, with their port."""

    async def whole(_: Request) -> Response:
        return HTMLResponse(hub.html)

    async def board(_: Request) -> Response:
        return Response(json.dumps(asdict(hub.board), default=str), media_type="application/json")

    async def data(request: Request) -> Response:
        text = _csv(hub, request.path_params["name"])
        if text is None:
            return PlainTextResponse("there is no such table\n", 404)
        return Response(text, media_type="text/csv")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with hub.running():
            yield

    routes = [
        Route("/", whole),
        Route("/board.json", board),
        Route("/data/{name}.csv", data),
        Route("/events", Events(hub)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Gate(Starlette(routes=routes, lifespan=lifespan), hosts, keys, tls=tls)


def _csv(hub: Hub, name: str) -> str | None:
    """Return the data of a chart or of the jobs, safe for spreadsheets; None: nothing is there."""
    if name != "waits":
        chart = hub.charts.get(name)
        return None if chart is None else chart.csv
    head = ("id", "name", "state", "why", "cores", "start_utc_ms", "latest_start_utc_ms")
    return csv_text(
        head,
        [
            (t.id, t.name, t.state, t.why, t.cores, t.start_ms, t.latest_start_ms)
            for t in hub.board.tasks
        ],
    )
