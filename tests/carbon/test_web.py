"""Asking a server: waiting as long as it asks, in real time, and secrets from files."""

from __future__ import annotations

import logging
import pickle
import time
from typing import TYPE_CHECKING

import pytest

from greensched.errors import OutsideError, UsageError
from greensched.providers.secrets import Secret, needed, secret
from greensched.providers.web import Web, base_url, shown
from tests.carbon.server import Reply, Request, serving

if TYPE_CHECKING:
    from pathlib import Path


def once_refused(headers: dict[str, str]) -> tuple[float, int]:
    """Return the seconds that an answer took that was refused once with 429, and the questions."""
    asked = []

    def respond(request: Request) -> Reply:
        asked.append(request)
        return Reply(status=429, headers=headers) if len(asked) == 1 else Reply(body=[1])

    with serving(respond) as server, Web.open() as web:
        begin = time.monotonic()
        assert [1] == web.get(f"{server.url}/x")
        return time.monotonic() - begin, len(asked)


def test_retry_after_is_kept() -> None:
    """A source that asks to wait a second is asked again after one, and not before."""
    took_s, asked = once_refused({"retry-after": "1"})
    assert 2 == asked
    assert 1.0 <= took_s < 5.0


def test_retry_after_as_a_date() -> None:
    """The wait may be given as a date, which counts from the server's own clock."""
    date = "Sun, 01 Mar 2026 00:00:00 GMT"
    took_s, asked = once_refused({"date": date, "retry-after": "Sun, 01 Mar 2026 00:00:01 GMT"})
    assert 2 == asked
    assert 1.0 <= took_s < 5.0


def test_retries_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """Each question is told at the level of -v, without its parameters."""
    caplog.set_level(logging.INFO, logger="greensched")
    with serving(lambda _: Reply(body=[1])) as server, Web.open() as web:
        web.get(f"{server.url}/a", {"zone": "secret-zone"})
    assert f"asking {server.url}/a" in caplog.text
    assert "secret-zone" not in "\n".join(
        r.getMessage() for r in caplog.records if r.name == "greensched"
    )


def test_shown_addresses() -> None:
    """An address is shown without password and parameters."""
    assert "https://x.org:81/a" == shown("https://me:pw@x.org:81/a?token=1")


def test_base_urls() -> None:
    """The public address is the default; another is taken without its last slash."""
    assert "https://d.org" == base_url("", "https://d.org", "s")
    assert "http://x:8080/api" == base_url("http://x:8080/api/", "https://d.org", "s")
    for text in ("http://", "http://x:99999", "file:///etc/passwd"):
        with pytest.raises(UsageError, match="its address is no address"):
            base_url(text, "", "s")


def test_unusual_status() -> None:
    """A status that nobody knows is a refusal like others."""
    with (
        serving(lambda _: Reply(status=499, body={})) as server,
        Web.open() as web,
        pytest.raises(OutsideError, match="answered 499"),
    ):
        web.get(server.url)


def test_secrets_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is in the variable, else on the first line of the file that it names."""
    file = tmp_path / "token"
    file.write_text("abc \nmore\n", encoding="utf-8")
    monkeypatch.setenv("X_TOKEN_FILE", str(file))
    found = secret("X_TOKEN")
    assert found is not None
    assert "abc" == found.reveal()
    monkeypatch.setenv("X_TOKEN", "first")
    assert "first" == needed("X_TOKEN", "x").reveal()
    assert ("***", "***") == (repr(found), f"{found}")


def test_secrets_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read, a text that is no token and none at all are told without it."""
    assert secret("X_TOKEN") is None
    monkeypatch.setenv("X_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"\$X_TOKEN_FILE: .*none cannot be read"):
        secret("X_TOKEN")
    monkeypatch.setenv("X_TOKEN", "päss")
    with pytest.raises(UsageError, match="characters that no token has") as caught:
        secret("X_TOKEN")
    assert "päss" not in str(caught.value)
    with pytest.raises(UsageError, match=r"set \$Y_TOKEN, or \$Y_TOKEN_FILE"):
        needed("Y_TOKEN", "y")


def test_secrets_are_not_pickled() -> None:
    """A secret cannot be written to another process or a file by mistake."""
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(Secret("abc"))
