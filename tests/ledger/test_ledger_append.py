"""Ledgers that are made and appended to: keys, duplicates, corrections, rotation, two writers."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greensched.errors import DataError, UsageError
from greensched.ledger import Ledger, default_ledger, files, init_ledger, keys, verifier_key
from greensched.ledger.note import SigningKey, new_key, signing_key
from tests.conftest import ROOT
from tests.ledger import verifier
from tests.ledger.cases import ORIGIN, Case, case_of, job, new_case

if TYPE_CHECKING:
    from collections.abc import Sequence


def records(case: Case) -> list[dict[str, Any]]:
    """Return what a ledger exports."""
    found: list[dict[str, Any]] = json.loads(case.export())["records"]
    return found


def test_new_ledger_says_whose_it_is(tmp_path: Path) -> None:
    """A new ledger is one row that tells origin, kind and format; it verifies."""
    case = new_case(tmp_path, kind="simulated")
    opening = {"type": "opening", "key": "opening", "format": 1, "origin": ORIGIN}
    assert [{**opening, "kind": "simulated"}] == records(case)
    found = case.verify()
    assert (ORIGIN, "simulated", 1) == (found.origin, found.kind, found.checkpoint.checkpoint.size)


def test_private_key_is_the_owner_s_alone(tmp_path: Path) -> None:
    """The private key's file has mode 0600, and belongs to the public key that is told."""
    old = os.umask(0)
    try:
        case = new_case(tmp_path)
    finally:
        os.umask(old)
    assert 0o600 == stat.S_IMODE(case.key_file.stat().st_mode)
    assert 0o700 == stat.S_IMODE(case.key_file.parent.stat().st_mode)
    assert case.verifier_key == keys.read_key(case.key_file).verifier.text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o677])
def test_looser_key_is_refused(tmp_path: Path, mode: int) -> None:
    """A private key that others may read or write is not used, and the remedy is told."""
    case = new_case(tmp_path)
    case.key_file.chmod(mode)
    with pytest.raises(UsageError, match=rf"has mode {mode:04o}.*chmod 600"):
        case.append(job(1))
    case.key_file.chmod(0o400)
    assert 2 == case.append(job(1))


@pytest.mark.parametrize("place", ["own.key", "keys/own.key", "a/b/own.key"])
def test_key_in_the_ledger_s_folder_is_refused(tmp_path: Path, place: str) -> None:
    """A key in the ledger's folder, or below it, is refused, and nothing is made."""
    with pytest.raises(UsageError, match="is in the ledger's folder"):
        init_ledger(tmp_path / "l.sqlite", ORIGIN, "operated", tmp_path / place)
    assert [] == list(tmp_path.iterdir())


def test_ledger_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the home folder, which holds all of the user's, a ledger's key is in the settings."""
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    made = init_ledger(tmp_path / "l.sqlite", ORIGIN, "operated")
    assert tmp_path / ".config/greensched/keys" == made.key_file.parent
    assert tmp_path / ".local/state/greensched/ledger.sqlite" == default_ledger()
    config = tmp_path / ".config/greensched"
    for ledger, key in (
        (tmp_path, tmp_path / "own.key"),
        (tmp_path, tmp_path / "below" / "own.key"),
        (config, config / "keys" / "own.key"),
    ):
        with pytest.raises(UsageError, match="is in the ledger's folder"):
            init_ledger(ledger / "m.sqlite", ORIGIN, "operated", key)
    with Ledger(made.ledger) as opened:
        assert (1, 1) == ((added := opened.append([job(1)])).first, added.count)


def test_places_follow_the_user_s_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absolute XDG folders are followed, relative ones are not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert tmp_path / "greensched/ledger.sqlite" == default_ledger()
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    assert Path.home() / ".local/state/greensched/ledger.sqlite" == default_ledger()


def test_what_stands_there_is_left(tmp_path: Path) -> None:
    """Init overwrites neither a ledger, nor a checkpoint that is left, nor a key."""
    case = new_case(tmp_path, [2])
    key, before = case.key_file.read_bytes(), case.ledger.read_bytes()
    elsewhere = tmp_path / "keys" / "new.key"
    with pytest.raises(UsageError, match="is there already") as caught:
        init_ledger(case.ledger, ORIGIN, "operated", elsewhere)
    assert 2 == len(caught.value.findings)
    case.ledger.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="checkpoint: is there already"):
        init_ledger(case.ledger, ORIGIN, "operated", elsewhere)
    with pytest.raises(UsageError, match=r"own\.key: cannot be written: is there already"):
        init_ledger(tmp_path / "other" / "l.sqlite", ORIGIN, "operated", case.key_file)
    assert (key, before) == (case.key_file.read_bytes(), (tmp_path / "moved").read_bytes())
    assert not elsewhere.exists()
    assert not (tmp_path / "other" / "l.sqlite").exists()


def test_init_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the checkpoint cannot be written, neither ledger nor key is left behind."""

    def full(_ledger: Path, _text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "publish_checkpoint", full)
    with pytest.raises(UsageError, match="cannot be read or written: No space left on device;"):
        new_case(tmp_path)
    left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert {"l.sqlite.lock"} == left


@pytest.mark.parametrize("origin", ["", "a b", "a+b"])
def test_bad_origin(tmp_path: Path, origin: str) -> None:
    """An origin that C2SP does not allow is refused, with an example."""
    with pytest.raises(UsageError, match=r"--origin: .*example\.org/fleet"):
        init_ledger(tmp_path / "l.sqlite", origin, "operated", tmp_path / "k" / "k")


def test_keys_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    """A key that cannot be written or read, or that is none, is told with its place."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be written: (File exists|Not a directory)"):
        init_ledger(tmp_path / "l" / "l", ORIGIN, "operated", tmp_path / "file" / "own.key")
    case = new_case(tmp_path)
    text = case.key_file.read_text(encoding="utf-8")
    case.key_file.write_text(text.replace("PRIVATE", "SECRET"), encoding="utf-8")
    with pytest.raises(UsageError, match="is no private key"):
        case.append(job(1))
    case.key_file.unlink()
    with pytest.raises(UsageError, match="without it nothing is appended"):
        case.append(job(1))


def test_folders_of_a_key_are_made(tmp_path: Path) -> None:
    """A key's folders are made where they are not there, and taken where they are."""
    for place in ("a/b/c/own.key", "a/b/c/other.key"):
        made = init_ledger(tmp_path / place[-9:-4] / "l", ORIGIN, "operated", tmp_path / place)
        assert made.verifier_key == keys.read_key(tmp_path / place).verifier.text


def test_another_key_appends_nothing(tmp_path: Path) -> None:
    """Only the key that signed the last checkpoint appends; another of its name does not."""
    case = new_case(tmp_path)
    case.key_file.write_text(new_key(ORIGIN).text + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is signed with the key"):
        case.append(job(1))


def test_appended_rows(tmp_path: Path) -> None:
    """Appending tells which rows it added; they are found by key and exported in order."""
    case = new_case(tmp_path, [2, 3])
    assert [job(n) for n in range(5)] == records(case)[1:]
    with Ledger(case.ledger, case.key_file) as opened:
        assert (ORIGIN, "operated") == (opened.origin, opened.kind)
        assert (4, None) == (opened.row_of("job/3/1"), opened.row_of("job/9/1"))
        assert (job(3), None) == (opened.record_of("job/3/1"), opened.record_of("job/9/1"))
        added = opened.append([job(9), job(8)])
        assert (6, 2, 8) == (added.first, added.count, added.checkpoint.checkpoint.size)
        nothing = opened.append([])
        assert (8, 0, added.checkpoint) == (nothing.first, nothing.count, nothing.checkpoint)


def test_checkpoint_beside_the_ledger(tmp_path: Path) -> None:
    """After each append the checkpoint beside the ledger is that of all its rows."""
    case = new_case(tmp_path)
    for count in range(2, 12):
        assert count == case.append(job(count))
        text = files.checkpoint_file(case.ledger).read_text(encoding="utf-8")
        assert (ORIGIN, count) == verifier.checkpoint(case.verifier_key, text)[:2]


def test_a_key_is_taken_once(tmp_path: Path) -> None:
    """A record whose key is in the ledger is refused with its row, and so are all beside it."""
    case = new_case(tmp_path, [2])
    with pytest.raises(DataError) as caught:
        case.append(job(7), job(1), job(0, emissions_mg=5))
    assert [
        "record 2: 'job/1/1' is row 2 already",
        "record 3: 'job/0/1' is row 1 already",
    ] == [str(f).partition(";")[0] for f in caught.value.findings]
    assert 3 == len(records(case))
    assert 4 == case.append(job(7))


def test_corrections(tmp_path: Path) -> None:
    """A row is superseded by one other row, which may be superseded in turn; it stays as it is."""
    case = new_case(tmp_path, [2])
    assert 4 == case.append(job(2, supersedes="job/0/1"))
    assert 6 == case.append(job(3, supersedes="job/2/1"), job(4, supersedes="job/3/1"))
    assert job(0) == records(case)[1]
    with pytest.raises(DataError) as caught:
        case.append(
            job(5, supersedes="job/0/1"),
            job(6, supersedes="job/99/1"),
            job(7, supersedes="job/1/1"),
            job(8, supersedes="job/1/1"),
        )
    assert [
        "record 1: 'job/0/1' is superseded by row 3 already; supersede that one",
        "record 2: supersedes 'job/99/1', which no row has",
        "record 4: 'job/1/1' is superseded by a record before it already; supersede that one",
    ] == [str(f) for f in caught.value.findings]
    assert 6 == len(records(case))


def rotated(case: Case, folder: Path) -> Case:
    """Return the case with its key handed on."""
    with Ledger(case.ledger, case.key_file) as opened:
        return case_of(opened.rotate(folder / "new.key"))


def test_rotation(tmp_path: Path) -> None:
    """After a rotation the new key alone appends; both public keys, old and new, verify."""
    old = new_case(tmp_path, [2])
    kept = old.verify().checkpoint
    new = rotated(old, tmp_path / "more")
    assert old.verifier_key != new.verifier_key
    newer = rotated(new, tmp_path / "most")
    newest = rotated(newer, tmp_path / "last")
    assert 7 == newest.append(job(5))
    for case in (old, new, newer, newest):
        found = case.verify(kept)
        assert (verifier_key(newest.verifier_key), (3,)) == (found.key, found.compared)
    for case in (old, new, newer):
        with pytest.raises(UsageError, match="is signed with the key"):
            case.append(job(6))
    with pytest.raises(DataError, match="was never signed with"):
        Case(
            ledger=old.ledger,
            key_file=old.key_file,
            verifier_key=new_key(ORIGIN).verifier.text,
        ).verify()


def test_no_key_is_handed_on_into_the_ledger_s_folder(tmp_path: Path) -> None:
    """A new key in the ledger's folder is refused before it is written, and the old one signs."""
    case = new_case(tmp_path)
    place = case.ledger.parent / "new.key"
    with Ledger(case.ledger, case.key_file) as opened:
        with pytest.raises(UsageError, match="is in the ledger's folder"):
            opened.rotate(place)
        assert not place.exists()
        assert 2 == opened.append([job(1)]).checkpoint.checkpoint.size


def test_rotation_while_it_is_open(tmp_path: Path) -> None:
    """Who rotates goes on appending; who has the ledger open with the old key does not."""
    case = new_case(tmp_path)
    with Ledger(case.ledger, case.key_file) as one, Ledger(case.ledger, case.key_file) as other:
        assert 2 == other.append([job(1)]).checkpoint.checkpoint.size
        assert case.verifier_key == one.verifier_key == other.verifier_key
        made = one.rotate(tmp_path / "k" / "new.key")
        assert made.verifier_key == one.verifier_key != other.verifier_key
        assert 4 == one.append([job(2)]).checkpoint.checkpoint.size
        with pytest.raises(UsageError, match="is signed with the key"):
            other.append([job(3)])


def test_forged_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that hands on what it never held is found, though it signs the ledger's head."""
    case = new_case(tmp_path, [1])
    thief = new_key(ORIGIN)
    real = signing_key(case.key_file.read_text(encoding="utf-8").strip())

    def signature(self: SigningKey, text: str) -> bytes:
        """Sign in the name of any key with the thief's."""
        return real_signature(thief if text.startswith("{") else self, text)

    real_signature = SigningKey.signature
    monkeypatch.setattr(SigningKey, "signature", signature)
    new = rotated(case, tmp_path / "more")
    monkeypatch.undo()
    for key in (case, new):
        with pytest.raises(DataError, match="row 2: the key that signed until then did not hand"):
            key.verify()
    assert real.verifier.text == case.verifier_key


def run_child(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python on `code` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


WRITER = """
import sys
from pathlib import Path
from greensched.ledger import Ledger
from tests.ledger.cases import job
with Ledger(Path(sys.argv[1]), Path(sys.argv[2])) as ledger:
    for i in range(int(sys.argv[3]), int(sys.argv[3]) + 25):
        print(ledger.append([job(i)]).first)
"""


def test_two_writers(tmp_path: Path) -> None:
    """Four processes that append at once lose nothing: each row that was told is that record."""
    case = new_case(tmp_path)
    starts = range(0, 100, 25)
    children = [run_child(WRITER, str(case.ledger), str(case.key_file), str(s)) for s in starts]
    rows: list[Sequence[int]] = [
        [int(line) for line in child.communicate(timeout=120)[0].split()] for child in children
    ]
    assert [0] * 4 == [child.returncode for child in children]
    found = records(case)
    assert 101 == len(found) == case.verify(thorough=True).checkpoint.checkpoint.size
    for start, told in zip(starts, rows, strict=True):
        assert [job(start + i) for i in range(25)] == [found[row] for row in told]
        assert sorted(told) == told


def test_writer_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process holds the ledger for long, nothing is appended and it is told."""
    case = new_case(tmp_path)
    monkeypatch.setattr(files, "LOCK_WAIT_S", 0.02)
    with files.beside(case.ledger, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"another process has been appending for 0\.02 s"):
            case.append(job(1))
    assert 2 == case.append(job(1))
