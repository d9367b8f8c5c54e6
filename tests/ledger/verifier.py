"""Checks a ledger's export and proofs from the standards alone: nothing of greensched is used.

    python verifier.py VERIFIER_KEY export CHECKPOINT EXPORT
    python verifier.py VERIFIER_KEY row PROOF
    python verifier.py VERIFIER_KEY growth OLD_CHECKPOINT PROOF

Written from RFC 9162 (recursive definitions), RFC 8785 for texts and whole numbers, and C2SP
signed-note, tlog-checkpoint and tlog-proof. Whatever is wrong raises an exception.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def leaf(data: bytes) -> bytes:
    """Hash a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Hash an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash of leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root(leaves[:k]), root(leaves[k:]))


def climb(at: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root above leaf hash `at`; `path` is used up from its end."""
    if size == 1:
        return at
    k, sibling = split(size), path.pop()
    if index < k:
        return node(climb(at, index, k, path), sibling)
    return node(sibling, climb(at, index - k, size - k, path))


def grow(old: int, size: int, path: list[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """Return the roots of the first `old` leaves and of all; `known` is the old one's."""
    if old == size:
        both = path.pop() if known is None else known
        return both, both
    k, other = split(size), path.pop()
    if old <= k:
        before, after = grow(old, k, path, known)
        return before, node(after, other)
    before, after = grow(old - k, size - k, path, None)
    return node(other, before), node(other, after)


def checkpoint(vkey: str, text: str) -> tuple[str, int, bytes]:
    """Return origin, size and root of a checkpoint that the key signed."""
    name, key_id, key = vkey.split("+", 2)
    public = base64.b64decode(key, validate=True)
    assert public[:1] == b"\x01"
    assert hashlib.sha256(f"{name}\n".encode() + public).hexdigest()[:8] == key_id
    body, lines = text.rsplit("\n\n", 1)
    signers = dict(line.removeprefix("\u2014 ").split(" ") for line in lines.splitlines())
    signature = base64.b64decode(signers[name], validate=True)
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], f"{body}\n".encode())
    origin, size, tree = body.split("\n")
    return origin, int(size), base64.b64decode(tree, validate=True)


def in_order(value: object) -> object:
    """Return a value with all names sorted by their UTF-16 code units, as RFC 8785 sorts them."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: in_order(value[name]) for name in names}
    return [in_order(part) for part in value] if isinstance(value, list) else value


def check_export(vkey: str, text: str, export: str) -> None:
    """Check that an export is all that a checkpoint tells of."""
    origin, size, tree = checkpoint(vkey, text)
    told = json.loads(export)
    lines = [
        json.dumps(in_order(r), separators=(",", ":"), ensure_ascii=False).encode()
        for r in told["records"]
    ]
    assert (origin, size, len(lines)) == (told["origin"], told["size"], size)
    assert root([leaf(line) for line in lines]) == tree == base64.b64decode(told["root"])


def check_row(vkey: str, proof: str) -> bytes:
    """Check that a record is in the tree of the checkpoint in its proof; return it."""
    head, text = proof.split("\n\n", 1)
    kind, extra, index, *rest = head.split("\n")
    _, size, tree = checkpoint(vkey, text)
    record, path = base64.b64decode(extra.split(" ")[1]), [base64.b64decode(r) for r in rest]
    assert kind == "c2sp.org/tlog-proof@v1"
    assert 0 <= int(index.split(" ")[1]) < size
    assert climb(leaf(record), int(index.split(" ")[1]), size, path) == tree
    assert not path
    return record


def check_growth(vkey: str, old: str, proof: str) -> None:
    """Check that the tree of the checkpoint in a proof began as that of an old checkpoint."""
    head, text = proof.split("\n\n", 1)
    first, *rest = head.split("\n")
    path = [base64.b64decode(r) for r in rest]
    before, now = checkpoint(vkey, old), checkpoint(vkey, text)
    assert (before[0], f"old {before[1]}") == (now[0], first)
    assert grow(before[1], now[1], path, before[2]) == (before[2], now[2])
    assert not path


if __name__ == "__main__":
    given = [Path(name).read_text(encoding="utf-8") for name in sys.argv[3:]]
    globals()[f"check_{sys.argv[2]}"](sys.argv[1], *given)
    print("ok")  # noqa: T201 what a person at a shell sees
