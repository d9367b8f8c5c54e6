"""`greensched serve` as a process: it answers while a ledger grows, and ends when told to."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from greensched.errors import plural
from greensched.serve.connection import CONNECTIONS_MAX
from tests.serve.cases import ledger_of, settlement
from tests.serve.served import served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.cases import Case

REQUESTS, AT_A_TIME = 1_000, 50
PATIENCE_S = 60.0
APPENDED_MIN = 5  # while the requests are answered


def _up(address: str) -> httpx.Response:
    """Return the page, once it is there."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=PATIENCE_S) as client:
        return client.get(address)


@dataclass(kw_only=True)
class _Growth:
    """A ledger that grows by settlements of a gram each, and what was answered meanwhile."""

    case: Case
    appended: int = 0
    answered: int = 0  # the most settlements of which an answer has told
    codes: list[int] = field(default_factory=list)

    def grow(self) -> None:
        """Append a settlement of a job that has ended just now."""
        self.appended += 1  # before it is there: no answer may know of more
        self.case.append(settlement(self.appended, 1_000, round(time.time() * 1_000)))

    async def ask(self, client: httpx.AsyncClient, path: str) -> None:
        """Ask once; what is told lies between what was told before and what is there after."""
        before = self.answered
        answer = await client.get(path)
        self.codes.append(answer.status_code)
        told = _told(path, answer.text)
        if told is not None:
            assert before <= told <= self.appended
            self.answered = max(self.answered, told)


def _told(path: str, text: str) -> int | None:
    """Return of how many settlements an answer tells; all that it tells of them must agree."""
    if path == "/data/saved.csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [float(row["jobs"]) for row in rows] == [float(row["saved_g"]) for row in rows]
        return sum(int(row["jobs"]) for row in rows)
    if path != "/board.json":
        return None
    board = json.loads(text)
    assert [] == board["alarms"]
    jobs = sum(int(day["jobs"]) for day in board["days"])
    assert float(jobs) == sum(day["saved_g"] for day in board["days"])
    facts = dict(board["looks"][0]["facts"])
    assert f"{jobs + 1:,}" == facts["rows"]  # and its opening
    assert f"{jobs / 1_000:,.3f} kg CO2e, {plural(jobs, 'job')}" == facts["saved in all"]
    return jobs


@pytest.mark.slow
def test_thousand_requests_while_the_ledger_grows(tmp_path: Path) -> None:
    """1,000 requests, 50 at a time, tell of the ledger as it was between before and after each."""
    grown = _Growth(case=ledger_of(tmp_path / "l"))
    paths = ("/", "/board.json", "/data/saved.csv", "/static/app.js")
    left = iter(range(REQUESTS))

    async def ask_on(address: str) -> None:
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
            for number in left:
                await grown.ask(client, paths[number % len(paths)])

    async def told(address: str) -> None:
        asked = asyncio.gather(*(ask_on(address) for _ in range(AT_A_TIME)))
        while not asked.done():
            await asyncio.to_thread(grown.grow)
        await asked
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(base_url=address) as client:
            while grown.answered < grown.appended:  # the last are told of too
                await asyncio.sleep(0.2)
                await grown.ask(client, "/board.json")

    grown.grow()
    with served(tmp_path, str(grown.case.ledger)) as (process, address):
        assert 200 == _up(address).status_code
        asyncio.run(told(address))
        assert {200} == set(grown.codes)
        assert REQUESTS <= len(grown.codes)
        assert APPENDED_MIN < grown.appended
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends it with code 0 and a word, also while a page listens for changes."""
    with served(tmp_path) as (process, address):
        assert "Energy control centre" in _up(address).text
        with httpx.stream("GET", f"{address}events", timeout=PATIENCE_S) as listening:
            assert 200 == listening.status_code
            process.send_signal(number)
            assert "" != listening.read().decode()  # it is ended, not cut
        assert 0 == process.wait(PATIENCE_S)
        assert process.stderr is not None
        assert "stopped\n" == process.stderr.read()


@pytest.mark.slow
def test_idle_connections_lock_nobody_out(tmp_path: Path) -> None:
    """More connections than may be, of which none asks anything, keep nobody out."""
    with served(tmp_path) as (process, address):
        _up(address)
        port = httpx.URL(address).port
        assert port is not None
        with ExitStack() as held:
            for _ in range(CONNECTIONS_MAX + 20):
                idle = held.enter_context(socket.create_connection(("127.0.0.1", port)))
                idle.sendall(b"GET / HTTP/1.1\r\n")  # a head without its end
            assert 200 == httpx.get(address, timeout=PATIENCE_S).status_code
            idle.settimeout(PATIENCE_S)
            with suppress(ConnectionResetError):
                assert b"" == idle.recv(1)  # cut off, if late
        assert process.poll() is None


def test_taken_port_is_told(tmp_path: Path) -> None:
    """A port that another program has is an error that names it and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "greensched", "serve", "--port", port],
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert 2 == done.returncode
    assert f"port {port}: Address already in use; --port names another one" in done.stderr


def test_what_is_no_place_is_told(tmp_path: Path) -> None:
    """Places that are nothing of the kind are all told at once, before anything is served."""
    done = subprocess.run(
        [sys.executable, "-m", "greensched", "serve", "no/such", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 2 == done.returncode
    assert ["no/such: is not there", f"{tmp_path}: is neither"] == [
        line.partition(" a result" if "neither" in line else ";")[0]
        for line in done.stderr.splitlines()
    ]
