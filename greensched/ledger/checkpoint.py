"""Checkpoints: origin, number of rows and root, signed; in the form of C2SP tlog-checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from greensched.ledger.note import Note, Signature, VerifierKey, decoded, encoded, read_note
from greensched.ledger.tree import HASH_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How many rows a ledger had, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encoded(self.root)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint with the note that says so; its signatures have not been checked."""

    checkpoint: Checkpoint
    note: Note

    @property
    def text(self) -> str:
        """Return the checkpoint as it is written."""
        return self.note.text

    @property
    def anchor(self) -> str:
        """Return it in one line: origin, size, root and the signature of the origin's key."""
        own = next(s for s in self.note.signatures if s.name == self.checkpoint.origin)
        body = " ".join(self.checkpoint.body.split("\n"))
        return body + encoded(own.key_id + own.value)


def read_checkpoint(text: str) -> SignedCheckpoint:
    """Return the checkpoint that `text` is; raises ValueError.

    Signatures of others beside the origin's own are allowed, extension lines are not.
    """
    note = read_note(text)
    lines = note.body.split("\n")
    if len(lines) != len(("origin", "size", "root", "")):
        raise ValueError("a checkpoint has three lines before its signatures")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdecimal()):
        raise ValueError(f"{size!r} is no number of rows")
    found = Checkpoint(origin=origin, size=int(size), root=decoded(root))
    if len(found.root) != HASH_BYTES or found.body != note.body:
        raise ValueError("the root or the number of rows is not written as it should be")
    if not any(s.name == origin for s in note.signatures):
        raise ValueError(f"no key of {origin} signed it")
    return SignedCheckpoint(checkpoint=found, note=note)


def read_anchor(line: str) -> SignedCheckpoint:
    """Return the checkpoint that an anchor's line stands for; raises ValueError."""
    fields = line.strip().split(" ")
    if len(fields) != len(("origin", "size", "root", "signature")):
        raise ValueError("an anchor has four fields: origin, rows, root and signature")
    origin, size, root, signature = fields
    data = decoded(signature)
    one = Signature(name=origin, key_id=data[:4], value=data[4:])
    found = read_checkpoint(Note(body=f"{origin}\n{size}\n{root}\n", signatures=(one,)).text)
    if found.anchor != line.strip():
        raise ValueError("its signature is not in plain base64")
    return found


def read_kept(text: str) -> SignedCheckpoint:
    """Return a checkpoint that was kept elsewhere, as a note or as an anchor's line."""
    return read_checkpoint(text) if "\n\n" in text else read_anchor(text)


def is_of(checkpoint: SignedCheckpoint, key: VerifierKey) -> bool:
    """Tell whether `key` signed; raises ValueError where its signature is forged."""
    return checkpoint.note.signer([key]) is not None
