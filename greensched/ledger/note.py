"""Signed notes and their keys, as C2SP signed-note has them, with Ed25519 (RFC 8032) alone.

A note is a text of whole lines, an empty line, and signature lines. A key has a name. What is
read is taken only in its one spelling, so that no bit of a note can change unseen.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ED25519: Final = b"\x01"
KEY_BYTES: Final = 32
NAME_BYTES_MAX: Final = 128  # a checkpoint then fits a sector of a disk
NOTE_BYTES_MAX: Final = 64 * 1024
_MARK: Final = "\u2014 "  # an em dash begins each signature line
_PRIVATE: Final = "PRIVATE+KEY+"
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


def encoded(data: bytes) -> str:
    """Return bytes in standard base64."""
    return base64.b64encode(data).decode("ascii")


def decoded(text: str) -> bytes:
    """Return the bytes of standard base64; raises ValueError.

    Some bytes have several spellings: who reads compares with `encoded`, or with the whole.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{text!r} is not base64") from None


def check_name(name: str) -> None:
    """Raise ValueError where `name` cannot be a key's: C2SP forbids spaces and '+'."""
    if not name or len(name.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        raise ValueError(f"a name has 1 to {NAME_BYTES_MAX} bytes")
    if any(c.isspace() or c == "+" or not c.isprintable() for c in name):
        raise ValueError(f"{name!r} has a space, a '+' or a control character")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key with its name; as text `<name>+<key id>+<base64>`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """Return the key as it is handed on."""
        return f"{self.name}+{self.id.hex()}+{encoded(ED25519 + self.public)}"

    def accepts(self, text: str, signature: bytes) -> bool:
        """Tell whether `signature` is this key's over `text`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key with its public one; as text `PRIVATE+KEY+<name>+<key id>+<base64>`."""

    verifier: VerifierKey
    seed: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """Return the key as it is kept."""
        key = self.verifier
        return f"{_PRIVATE}{key.name}+{key.id.hex()}+{encoded(ED25519 + self.seed)}"

    def signature(self, text: str) -> bytes:
        """Return the key's signature over `text`."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())


def new_key(name: str) -> SigningKey:
    """Return a new key from the system's randomness; raises ValueError for a bad name."""
    check_name(name)
    return _signing(name, os.urandom(KEY_BYTES))


def _signing(name: str, seed: bytes) -> SigningKey:
    """Return the private key of a seed (RFC 8032, 5.1.5)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return SigningKey(verifier=VerifierKey(name=name, public=public), seed=seed)


def verifier_key(text: str) -> VerifierKey:
    """Return the public key that `text` is; raises ValueError."""
    name, told, data = _parts(text, "<name>+<key id>+<base64>")
    key = VerifierKey(name=name, public=data)
    if key.text != text:
        raise ValueError(f"the key's id is {key.id.hex()}, and not {told!r}: it was mistyped")
    return key


def signing_key(text: str) -> SigningKey:
    """Return the private key that `text` is; raises ValueError that does not repeat it."""
    if not text.startswith(_PRIVATE):
        raise ValueError(f"it does not begin with {_PRIVATE}")
    name, _, data = _parts(text.removeprefix(_PRIVATE), f"{_PRIVATE}<name>+<key id>+<base64>")
    key = _signing(name, data)
    if key.text != text:
        raise ValueError("the key's id does not belong to it: it was damaged")
    return key


def _parts(text: str, form: str) -> tuple[str, str, bytes]:
    """Return name, key id as written and the key's bytes."""
    parts = text.split("+", 2)  # base64 may have a '+' of its own
    if len(parts) != len(("name", "id", "key")):
        raise ValueError(f"a key has the form {form}")
    name, told, rest = parts
    check_name(name)
    try:
        data = decoded(rest)
    except ValueError:
        raise ValueError("the key is not base64") from None
    if data[:1] != ED25519 or len(data) != 1 + KEY_BYTES:
        raise ValueError("it is no Ed25519 key")
    return name, told, data[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line: who signed, with which key, and the signature."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """Return the line without its end."""
        return f"{_MARK}{self.name} {encoded(self.key_id + self.value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text with its signatures, none of which has been checked."""

    body: str
    signatures: tuple[Signature, ...]

    @property
    def text(self) -> str:
        """Return the note as it is written."""
        return f"{self.body}\n" + "".join(f"{s.line}\n" for s in self.signatures)

    def signer(self, keys: Iterable[VerifierKey]) -> VerifierKey | None:
        """Return the first of `keys` that signed; raises ValueError where one's is forged."""
        found = None
        for key in keys:
            for one in self.signatures:
                if (one.name, one.key_id) != (key.name, key.id):
                    continue
                if not key.accepts(self.body, one.value):
                    raise ValueError(f"the signature of {key.name} is not that key's")
                found = found or key
        return found


def signed(body: str, key: SigningKey) -> Note:
    """Return `body`, which ends with a line end, signed by `key`."""
    assert body.endswith("\n")
    own = key.verifier
    one = Signature(name=own.name, key_id=own.id, value=key.signature(body))
    return Note(body=body, signatures=(one,))


def read_note(text: str) -> Note:
    """Return the note that `text` is, to the byte; raises ValueError."""
    if len(text) > NOTE_BYTES_MAX:
        raise ValueError(f"a note has at most {NOTE_BYTES_MAX} characters")
    body, middle, rest = text.rpartition("\n\n")
    if not middle or not rest:
        raise ValueError("a note has an empty line and signatures after it")
    signatures = tuple(_signature(line) for line in rest.removesuffix("\n").split("\n"))
    note = Note(body=body + "\n", signatures=signatures)
    if note.text != text or _CONTROL.search(text):
        raise ValueError("a note has whole lines, no control characters, and plain base64")
    return note


def _signature(line: str) -> Signature:
    """Return the signature that a line holds; raises ValueError."""
    name, between, value = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not between:
        raise ValueError(f"{line!r} is no signature line")
    check_name(name)
    data = decoded(value)
    return Signature(name=name, key_id=data[:4], value=data[4:])
