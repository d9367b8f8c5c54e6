"""Records: canonical bytes, what cannot be one, and the entries of a run."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from greensched.errors import DataError
from greensched.ledger.entries import run_records, run_sha256
from greensched.ledger.record import (
    DEPTH_MAX,
    INTEGER_MAX,
    KEY_BYTES_MAX,
    RECORD_BYTES_MAX,
    canonical,
    row_of_record,
    rows_of_records,
)


def test_example_of_the_standard() -> None:
    """Texts and names of RFC 8785's own examples (3.2.2 and 3.2.3) come out as printed there."""
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    assert '{"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'.encode() == canonical(
        {"string": text}
    )
    names = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    expected = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert expected == list(json.loads(canonical(names)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (INTEGER_MAX, b'{"a":9007199254740991}'),
        (INTEGER_MAX + 1, b'{"a":"9007199254740992"}'),
        (-INTEGER_MAX - 1, b'{"a":"-9007199254740992"}'),
        (True, b'{"a":true}'),
        (None, b'{"a":null}'),
        ((1, [2]), b'{"a":[1,[2]]}'),
        ({"c": 1, "b": ""}, b'{"a":{"b":"","c":1}}'),
    ],
)
def test_values(value: Any, expected: bytes) -> None:
    """Whole numbers that JSON's readers would round are written as text, the rest as it is."""
    assert expected == canonical({"a": value})


def nested(depth: int) -> Any:
    """Return lists in lists."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"key": "a", "x": 1.0}, r"1\.0 is neither a text nor a whole number; use a smaller unit"),
        ({"key": "a", "x": float("nan")}, "nan is neither"),
        ({"key": "a", "x": {1: 2}}, "neither"),
        ({"key": "a", "x": {"b": 2, 1: 2}}, "neither"),
        ({"key": "a", "x": b"bytes"}, "neither"),
        ({"key": "a", "x": "\ud800"}, "not Unicode"),
        ({"key": "a", "x": nested(DEPTH_MAX)}, "nested deeper than 8"),
        ({"key": "a", "x": "x" * RECORD_BYTES_MAX}, "at most 65,536 are allowed"),
        ({"x": 1}, "'key' is not the key"),
        ({"key": ""}, "'key' is not the key"),
        ({"key": 1}, "'key' is not the key"),
        ({"key": "x" * (KEY_BYTES_MAX + 1)}, "longer than 253 bytes"),
        ({"key": "a\nb"}, "not printable"),
        ({"key": "a", "supersedes": 1}, "'supersedes' is not the key"),
        ({"key": "a", "type": "opening"}, "written by the ledger alone"),
        ({"key": "a", "type": "rotation"}, "written by the ledger alone"),
        ({"key": "rotation/3"}, "are of the ledger's own rows"),
    ],
)
def test_what_cannot_be_a_record(record: dict[str, Any], what: str) -> None:
    """A record without a proper key, with a fraction, or larger or deeper than allowed is none."""
    with pytest.raises(ValueError, match=what):
        row_of_record(record)


def test_limits_are_allowed() -> None:
    """A record as deep, as long and with a key as long as allowed is one."""
    record = {"key": "x" * KEY_BYTES_MAX, "x": nested(DEPTH_MAX - 1)}
    assert canonical(record) == row_of_record(record)
    frame = len(canonical({"key": "a", "x": ""}))
    assert RECORD_BYTES_MAX == len(row_of_record({"key": "a", "x": "x" * (65_536 - frame)}))


def test_all_bad_records_are_told_at_once() -> None:
    """Every bad record is told with its place, a key that comes twice too, and very many cut."""
    with pytest.raises(DataError) as caught:
        rows_of_records([{"key": "a"}, {"key": 1}, {"key": "a"}, {"key": "b", "x": 0.5}])
    places = [f.where for f in caught.value.findings]
    assert ["record 2", "record 3", "record 4"] == places
    assert "its key 'a' is that of record 1" in str(caught.value)
    with pytest.raises(DataError) as caught:
        rows_of_records([{}] * 1_022)
    assert (21, "and 1,002 more") == (len(caught.value.findings), caught.value.findings[-1].what)


SUMMARY = {
    "name": "week",
    "scenario_sha256": "5c",
    "seed": 2**63 - 1,
    "version": "0.1.0",
    "currency": "EUR",
    "window": {"start_utc": "2024-01-01T23:00:00Z"},
    "baseline": {"id": "autoscaled-1", "sha256": "ba"},
    "stamp": {"data": "measured", "result": "modelled", "calibration": "uncalibrated"},
}
ENTRIES: dict[str, list[Any]] = {
    "run": ["baseline", "scenario"],
    "start_ms": [0, 300_000],
    "end_ms": [300_000, 600_000],
    "emissions_mg": [5, 4],
}


def test_records_of_a_run() -> None:
    """A run is a row that says what was run, then a row an entry, at instants in UTC."""
    run, *entries = run_records(SUMMARY, ["ff", "ee"], ENTRIES)
    assert ("run", ["ee", "ff"], 2) == (run["type"], run["inputs"], run["entries"])
    assert 1704150000000 == run["start_utc_ms"]
    assert f'"seed":"{2**63 - 1}"'.encode() in canonical(run)
    first = {"type": "entry", "key": f"{run['key']}/1", "run": "baseline", "emissions_mg": 5}
    first |= {"start_utc_ms": 1704150000000, "end_utc_ms": 1704150300000}
    assert first == entries[0]
    assert (1704150300000, 1704150600000) == (
        entries[1]["start_utc_ms"],
        entries[1]["end_utc_ms"],
    )
    assert [f"{run['key']}/{n}" for n in (1, 2)] == [e["key"] for e in entries]
    assert len(rows_of_records([run, *entries])) == 3


def test_key_of_a_run() -> None:
    """The order of inputs and the version change no run's key; scenario, inputs, correction do."""
    key = run_sha256("5c", ["ff", "ee"])
    by_hand = b'{"inputs":["ee","ff"],"scenario_sha256":"5c"}'
    assert hashlib.sha256(by_hand).hexdigest() == key
    assert key == run_sha256("5c", ["ee", "ff"])
    newer = next(run_records({**SUMMARY, "version": "9"}, ["ff", "ee"], ENTRIES))
    assert key == newer["key"]
    assert 4 == len(
        {
            key,
            run_sha256("5d", ["ff", "ee"]),
            run_sha256("5c", []),
            run_sha256("5c", ["ff", "ee"], key),
        }
    )
    corrected = next(run_records(SUMMARY, ["ff", "ee"], ENTRIES, supersedes=key))
    assert (key, run_sha256("5c", ["ff", "ee"], key)) == (
        corrected["supersedes"],
        corrected["key"],
    )
