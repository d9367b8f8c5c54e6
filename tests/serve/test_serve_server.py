"""`greensched serve` as a process: it answers while a ledger grows, and ends when told to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from greensched.serve.connection import CONNECTIONS_MAX
from greensched.serve.look import UNREACHABLE
from tests.serve.cases import ledger_of, settlement
from tests.serve.served import served

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS, AT_A_TIME = 1_000, 50
PATIENCE_S = 60.0
APPENDED_MIN = 5  # while the requests are answered


def _up(address: str) -> httpx.Response:
    """Return the page, once it is there."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=PATIENCE_S) as client:
        return client.get(address)


async def _asked(address: str, grown: asyncio.Event) -> list[int]:
    """Return what a thousand requests are answered with, fifty at a time."""
    paths = ("/", "/board.json", "/data/saved.csv", "/static/app.js")
    left = iter(range(REQUESTS))
    codes = []

    async def ask_on() -> None:
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
            for number in left:
                answer = await client.get(paths[number % len(paths)])
                codes.append(answer.status_code)

    await asyncio.gather(*(ask_on() for _ in range(AT_A_TIME)))
    grown.set()
    return codes


@pytest.mark.slow
def test_thousand_requests_while_the_ledger_grows(tmp_path: Path) -> None:
    """1,000 requests, 50 at a time, are all answered while settlements are appended."""
    case = ledger_of(tmp_path / "l", settlement(0, 1_000))

    async def told(address: str) -> tuple[list[int], int]:
        done = asyncio.Event()
        asked = asyncio.create_task(_asked(address, done))
        count = 1
        while not done.is_set():
            await asyncio.to_thread(case.append, settlement(count, 1_000))
            count += 1
        return await asked, count

    with served(tmp_path, str(case.ledger)) as (process, address):
        assert 200 == _up(address).status_code
        codes, count = asyncio.run(told(address))
        assert {200} == set(codes)
        assert REQUESTS == len(codes)
        assert APPENDED_MIN < count
        board = httpx.get(f"{address}board.json").json()
        assert [] == [a for a in board["alarms"] if a["kind"] != UNREACHABLE]
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
