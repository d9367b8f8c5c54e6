"""The Merkle tree of RFC 9162, section 2.1: hashes, roots, and proofs made and checked."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    # The root of the subtree of the leaves from one on, before another.
    RootOf = Callable[[int, int], bytes]

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + data).digest()


def leaf_hashes(rows: Iterable[bytes]) -> list[bytes]:
    """Return the hashes of many leaves."""
    return [sha256(b"\x00" + data).digest() for data in rows]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162, 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """What of a tree of `size` leaves is needed to add more: roots of its perfect subtrees.

    `peaks` has one hash for each binary one of `size`, the largest subtree's first.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def extended(self, leaves: Sequence[bytes]) -> Frontier:
        """Return the frontier with the hashes of more leaves added."""
        size, peaks, at = self.size, list(self.peaks), 0
        while at < len(leaves):
            # the largest perfect subtree that begins here and is full with what there is
            level = (len(leaves) - at).bit_length() - 1
            if size:
                level = min(level, (size & -size).bit_length() - 1)
            node = _levels(leaves[at : at + (1 << level)])
            carry = size >> level
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1 << level
            at += 1 << level
        return Frontier(size=size, peaks=tuple(peaks))

    @property
    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.peaks:
            return EMPTY_ROOT
        *rest, node = self.peaks
        for peak in reversed(rest):
            node = node_hash(peak, node)
        return node


def _parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the level above `nodes`; a last one without a sibling goes up as it is."""
    paired = zip(nodes[::2], nodes[1::2], strict=False)
    above = [sha256(b"\x01" + left + right).digest() for left, right in paired]
    if len(nodes) & 1:
        above.append(nodes[-1])
    return above


def _levels(nodes: Sequence[bytes]) -> bytes:
    """Return the root above one or more leaf hashes."""
    while len(nodes) > 1:
        nodes = _parents(nodes)
    return nodes[0]


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree whose leaves have the hashes `leaves`."""
    return _levels(leaves) if leaves else EMPTY_ROOT


def roots_in(leaves: Sequence[bytes]) -> RootOf:
    """Return what tells the root of any subtree of the tree whose leaves have these hashes."""
    return lambda begin, end: tree_root(leaves[begin:end])


def inclusion_proof(root: RootOf, size: int, index: int) -> tuple[bytes, ...]:
    """Return the path from leaf `index` to the root of a tree, its sibling first (2.1.3.1).

    `root(begin, end)` is asked for the roots of the subtrees beside the path.
    """
    assert 0 <= index < size
    path, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(root(middle, end))
            end = middle
        else:
            path.append(root(begin, middle))
            begin = middle
    return tuple(reversed(path))


def consistency_proof(root: RootOf, size: int, old_size: int) -> tuple[bytes, ...]:
    """Return the proof that a tree began as its first `old_size` leaves (2.1.4.1)."""
    assert 0 < old_size <= size
    return tuple(_subproof(root, (0, size), old_size, whole=True))


def _subproof(root: RootOf, leaves: tuple[int, int], old_size: int, *, whole: bool) -> list[bytes]:
    """Return SUBPROOF of the standard; `whole` where the old tree is the one that was asked."""
    begin, end = leaves
    if begin + old_size == end:
        return [] if whole else [root(begin, end)]
    half = _split(end - begin)
    middle = begin + half
    if old_size <= half:
        left = _subproof(root, (begin, middle), old_size, whole=whole)
        return [*left, root(middle, end)]
    right = _subproof(root, (middle, end), old_size - half, whole=False)
    return [*right, root(begin, middle)]


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `proof` shows that leaf hash `leaf` is at `index` of a tree (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    here, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = node_hash(sibling, node)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and node == root


def is_consistent(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether `proof` shows that a tree began as an older one (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    here, last = old_size - 1, size - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = node_hash(new, node)
        here, last = here >> 1, last >> 1
    return last == 0 and old == old_root and new == root
