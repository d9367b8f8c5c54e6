"""Signed notes, keys and checkpoints: published vectors, and one spelling for each."""

from __future__ import annotations

import base64

import pytest

from greensched.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    read_anchor,
    read_checkpoint,
    read_kept,
)
from greensched.ledger.note import (
    NAME_BYTES_MAX,
    NOTE_BYTES_MAX,
    Note,
    SigningKey,
    new_key,
    read_note,
    signed,
    signing_key,
    verifier_key,
)
from tests.ledger import verifier

# The example of Go's golang.org/x/mod/sumdb/note, where the format comes from. The key is public.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_BODY = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    f"{GO_BODY}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ"
    "SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The second signer of the same documentation.
GO_OTHER = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_BOTH = (
    f"{GO_NOTE}\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG"
    "01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
# Checkpoints that Go's checksum database signed, with the key that is built into the go command.
SUM_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUM_HEADS = {
    "49189689\nftjbAOzaupaIvaPo/G+Dk63nxOZ2s1OPOKIaPtXs7S4=": (
        "Az3grlKZssqRoMNPpZfKt0TphbbcF+pzXqElURJKRNFKfaUAgqeI5k2AORH0QAhg"
        "/ebRwyIqD/OqP4oLtLnNumvOBAM="
    ),
    "65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=": (
        "Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz"
        "7l/R3cVtYspg3dxXABkGZZKdsQ8="
    ),
}
ROOT = bytes(range(32))


def own() -> SigningKey:
    """Return a key that is always the same."""
    return signing_key(GO_SIGNER)


def test_keys_of_the_reference() -> None:
    """Both of the reference's keys are read, belong together, and are written as they were."""
    assert GO_VERIFIER == own().verifier.text == verifier_key(GO_VERIFIER).text
    assert GO_SIGNER == own().text
    assert "c74f20a3" == own().verifier.id.hex()


def test_signature_of_the_reference() -> None:
    """Ed25519 being deterministic, signing the reference's text gives its note to the byte."""
    assert GO_NOTE == signed(GO_BODY, own()).text
    assert own().verifier == read_note(GO_NOTE).signer([verifier_key(GO_VERIFIER)])


def test_second_signer_of_the_reference() -> None:
    """A note with two signatures is found signed by each key, and unknown keys are ignored."""
    for text in (GO_VERIFIER, GO_OTHER):
        assert verifier_key(text) == read_note(GO_BOTH).signer([verifier_key(text)])
    assert read_note(GO_BOTH).signer([new_key("PeterNeumann").verifier]) is None


@pytest.mark.parametrize("head", SUM_HEADS)
def test_signatures_of_the_checksum_database(head: str) -> None:
    """Tree heads that Go's checksum database signed are found signed by its key."""
    text = f"go.sum database tree\n{head}\n\n\u2014 sum.golang.org {SUM_HEADS[head]}\n"
    assert verifier_key(SUM_KEY) == read_note(text).signer([verifier_key(SUM_KEY)])
    assert "go.sum database tree" == verifier.checkpoint(SUM_KEY, text)[0]


def test_no_part_and_no_change_of_a_key_is_a_key() -> None:
    """As in the reference's tests: no proper part of a key, and no key with another letter."""
    for text, read in ((GO_VERIFIER, verifier_key), (GO_SIGNER, signing_key)):
        parts = {text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)} - {text}
        changed = {text[:i] + chr(ord(c) + 1) + text[i + 1 :] for i, c in enumerate(text)}
        for wrong in parts | changed:
            with pytest.raises(ValueError, match=r".") as caught:
                read(wrong)
            assert "AYEKFALVFGy" not in str(caught.value)  # no private key in any message


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_wrong_keys_of_the_reference(text: str) -> None:
    """A key of another length or algorithm is refused, its id being right."""
    with pytest.raises(ValueError, match=r"base64|Ed25519"):
        verifier_key(text)


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "x" * (NAME_BYTES_MAX + 1), "\ud800"]
)
def test_names_that_cannot_be(name: str) -> None:
    """A name that is empty, too long, or holds a space, a '+' or a control is refused."""
    with pytest.raises(ValueError, match=r"name|has a space"):
        new_key(name)


def test_new_keys_differ() -> None:
    """Two new keys of one name are two keys, and neither shows its secret."""
    first, second = new_key("a"), new_key("a")
    assert first.verifier != second.verifier
    assert "seed" not in repr(first)


def test_every_flip_of_a_note_is_seen() -> None:
    """No bit of a note can be turned round without it being refused or left unsigned."""
    key = verifier_key(GO_VERIFIER)
    data = GO_NOTE.encode()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = read_note(flipped.decode()).signer([key])
        except ValueError:
            continue
        assert found is None


@pytest.mark.parametrize(
    "text",
    [
        "no signatures\n",
        "body\n\n",
        GO_NOTE.rstrip("\n"),
        GO_NOTE + "\n",
        "tab\there\n" + GO_NOTE,
        GO_BODY + "\nPeterNeumann x08g\n",
        GO_BODY + "\n\u2014 PeterNeumann\n",
        GO_BODY + "\n\u2014 PeterNeumann x08g!\n",
        GO_BODY + "\n\u2014 PeterNeumann  x08g\n",
        "x" * NOTE_BYTES_MAX + GO_NOTE,
    ],
)
def test_what_is_no_note(text: str) -> None:
    """A text without an empty line, whole lines or proper signatures is no note."""
    with pytest.raises(ValueError, match=r"."):
        read_note(text)


def checkpoint_text(body: str) -> str:
    """Return a checkpoint's note over any body."""
    return signed(body, own()).text


def test_checkpoint_reads_as_it_was_written() -> None:
    """A checkpoint and its anchor's line read back as what they are, by both verifiers."""
    made = Checkpoint(origin="PeterNeumann", size=20852163, root=ROOT)
    text = checkpoint_text(made.body)
    found = read_checkpoint(text)
    assert (made, text) == (found.checkpoint, found.text)
    assert "\n" not in found.anchor
    assert found == read_kept(text) == read_kept(found.anchor + "\n")
    assert ("PeterNeumann", 20852163, ROOT) == verifier.checkpoint(GO_VERIFIER, text)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("PeterNeumann\n1\n", "three lines"),
        (f"PeterNeumann\n1\n{base64.b64encode(ROOT).decode()}\nmore\n", "three lines"),
        (f"PeterNeumann\n01\n{base64.b64encode(ROOT).decode()}\n", "as it should be"),
        (f"PeterNeumann\n-1\n{base64.b64encode(ROOT).decode()}\n", "no number"),
        (f"PeterNeumann\n²\n{base64.b64encode(ROOT).decode()}\n", "no number"),
        (f"PeterNeumann\n1\n{base64.b64encode(ROOT[1:]).decode()}\n", "as it should be"),
        ("PeterNeumann\n1\n!\n", "not base64"),
        (f"Another\n1\n{base64.b64encode(ROOT).decode()}\n", "no key of Another"),
    ],
)
def test_what_is_no_checkpoint(body: str, what: str) -> None:
    """A note is a checkpoint only with origin, plain number and whole root, signed by its own."""
    with pytest.raises(ValueError, match=what):
        read_checkpoint(checkpoint_text(body))


def test_a_witness_may_sign_before_the_owner() -> None:
    """A checkpoint that somebody else signed too is one; its anchor has the owner's signature."""
    made = Checkpoint(origin="PeterNeumann", size=7, root=ROOT)
    (ours,) = signed(made.body, own()).signatures
    (theirs,) = signed(made.body, new_key("witness")).signatures
    found = read_checkpoint(Note(body=made.body, signatures=(theirs, ours)).text)
    assert made == found.checkpoint
    assert SignedCheckpoint(checkpoint=made, note=signed(made.body, own())).anchor == found.anchor


def test_the_longest_note() -> None:
    """A note of 64 KiB is one, and one letter more is refused as too long."""
    longest = "x" * (64 * 1024 - len(GO_NOTE)) + GO_NOTE
    assert 65_536 == len(read_note(longest).text)
    with pytest.raises(ValueError, match="at most 65536 characters"):
        read_note("x" + longest)


def test_an_anchor_has_one_spelling() -> None:
    """An anchor whose base64 ends in other bits than it should is refused."""
    line = SignedCheckpoint(
        checkpoint=Checkpoint(origin="PeterNeumann", size=1, root=ROOT),
        note=signed(Checkpoint(origin="PeterNeumann", size=1, root=ROOT).body, own()),
    ).anchor
    assert "=" == line[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for last in set(alphabet) - {line[-2]}:
        if base64.b64decode(line[-4:-2] + last + "=") == base64.b64decode(line[-4:]):
            with pytest.raises(ValueError, match="plain base64"):
                read_anchor(line[:-2] + last + "=")
            return
    raise AssertionError("no other spelling was tried")


@pytest.mark.parametrize("line", ["a b c", "a 1 b c d", "a 1 !! !!", ""])
def test_what_is_no_anchor(line: str) -> None:
    """A line of other than four proper fields is no anchor."""
    with pytest.raises(ValueError, match=r"."):
        read_anchor(line)
