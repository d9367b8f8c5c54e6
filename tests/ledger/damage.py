"""Damage done to a ledger's files, one place at a time, and what `verify` makes of it."""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from greensched.errors import DataError
from greensched.ledger import files, read_checkpoint, read_contents, store, verifier_key, verify
from greensched.ledger.note import VerifierKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pytest

    from tests.ledger.cases import Case

FOUND = "found"


def state(case: Case) -> tuple[bytes, str] | str:
    """Return root and checkpoint of a ledger as verified, or that damage was found."""
    try:
        found = verify(case.ledger, verifier_key(case.verifier_key))
    except DataError:
        return FOUND
    return found.checkpoint.checkpoint.root, found.checkpoint.text


def flips(case: Case, path: Path, bits: Iterable[int]) -> list[str]:
    """Turn round one bit of a file at a time; return what was neither found nor harmless."""
    whole, missed = state(case), []
    assert whole != FOUND
    descriptor = os.open(path, os.O_RDWR)
    try:
        for bit in bits:
            (byte,) = os.pread(descriptor, 1, bit // 8)
            os.pwrite(descriptor, bytes([byte ^ 1 << bit % 8]), bit // 8)
            try:
                seen = state(case)
            except Exception as error:  # noqa: BLE001 all that is not DataError is a miss
                seen = repr(error)
            if seen not in (FOUND, whole):
                missed.append(f"bit {bit}: {seen}")
            os.pwrite(descriptor, bytes([byte]), bit // 8)
    finally:
        os.close(descriptor)
    assert whole == state(case)
    return missed


def sampled(size_bits: int, count: int, seed: int) -> list[int]:
    """Return `count` different places among so many, or all where there are no more."""
    return random.Random(seed).sample(range(size_bits), min(count, size_bits))  # noqa: S311


@contextmanager
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Verify faster: what was checked before is remembered, and no WAL is looked for.

    SQLite makes an index of the WAL in shared memory for each opening, which is most of its cost.
    """

    def connect(ledger: Path, how: str) -> object:
        return real_connect(ledger, how.replace("mode=ro", "immutable=1"))

    real_connect = store._connect
    with monkeypatch.context() as patch:
        patch.setattr(VerifierKey, "accepts", cache(VerifierKey.accepts))
        patch.setattr(store, "read_checkpoint", cache(read_checkpoint))
        patch.setattr(files, "read_checkpoint", cache(read_checkpoint))
        patch.setattr(store, "_connect", connect)
        yield


def cuts(case: Case, path: Path, lengths: Iterable[int], allowed: set[object]) -> list[str]:
    """Cut a file to each length; return what was neither refused with its place nor allowed.

    `allowed` are the states that a cut file may open to, without its checkpoint beside it.
    """
    whole, missed = path.read_bytes(), []
    for length in lengths:
        with path.open("r+b") as stream:
            stream.truncate(length)
        try:
            contents = read_contents(case.ledger)
            seen: object = contents.checkpoint.text
            is_right = seen in allowed
        except DataError as error:
            seen = str(error)
            is_right = "the last good row" in seen
        if not is_right:
            missed.append(f"{length} bytes: {seen}")
        with path.open("r+b") as stream:
            stream.seek(length)
            stream.write(whole[length:])
    assert whole == path.read_bytes()
    return missed
