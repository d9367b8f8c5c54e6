"""The Merkle tree: published vectors, and every proof of small trees."""

from __future__ import annotations

import hashlib

import pytest

from greensched.ledger.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    roots_in,
    tree_root,
)
from tests.ledger import verifier

# Certificate Transparency's reference vectors (RFC 6962, and 9162 alike), as in
# transparency-dev/merkle `testonly/constants.go`: leaves, and the root of each tree size.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243"),
        *("5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSION = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
CONSISTENCY = {
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
SIZE_MAX = 34  # every proof of all trees up to this size


def hashes(count: int) -> list[bytes]:
    """Return the leaf hashes of a tree."""
    return [leaf_hash(bytes([i])) for i in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    """The root of each size is the published one, made at once or leaf by leaf."""
    leaves = [leaf_hash(data) for data in LEAVES[:size]]
    assert ROOTS[size] == tree_root(leaves).hex()
    grown = Frontier()
    for leaf in leaves:
        grown = grown.extended([leaf])
    assert ROOTS[size] == grown.root.hex()


def test_empty_root_is_the_hash_of_nothing() -> None:
    """The empty tree has the root that RFC 9162 gives it."""
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT == Frontier().root == tree_root([])


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_published_inclusion_proofs(index: int, size: int) -> None:
    """A leaf's path is the published one, and proves the leaf."""
    leaves = [leaf_hash(data) for data in LEAVES[:size]]
    path = inclusion_proof(roots_in(leaves), len(leaves), index)
    assert INCLUSION[index, size] == tuple(h.hex() for h in path)
    assert is_included(leaves[index], index, size, path, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_published_consistency_proofs(old: int, size: int) -> None:
    """The proof that one tree grew from another is the published one, and proves it."""
    path = consistency_proof(roots_in([leaf_hash(d) for d in LEAVES[:size]]), size, old)
    assert CONSISTENCY[old, size] == tuple(h.hex() for h in path)
    roots = [bytes.fromhex(ROOTS[n]) for n in (old, size)]
    assert is_consistent(old, roots[0], size, roots[1], path)


def test_every_inclusion_proof_of_small_trees() -> None:
    """Each leaf of each small tree is proved to both verifiers, and by no other path."""
    for size in range(1, SIZE_MAX):
        leaves = hashes(size)
        root = tree_root(leaves)
        assert root == verifier.root(leaves)
        for index in range(size):
            path = inclusion_proof(roots_in(leaves), len(leaves), index)
            assert root == verifier.climb(leaves[index], index, size, list(path))
            proved = [
                (i, n)
                for i in range(-1, size + 2)
                for n in range(size + 2)
                if is_included(leaves[index], i, n, path, root)
            ]
            assert (index, size) in proved
            # RFC 9162 hashes neither: another place may have a path of the same turns
            assert all(
                len(path) == len(inclusion_proof(roots_in(hashes(n)), n, i)) for i, n in proved
            )
            for wrong in (path[:-1], (*path, root), *_flipped(path)):
                if wrong != path:
                    assert not is_included(leaves[index], index, size, wrong, root)


def test_every_consistency_proof_of_small_trees() -> None:
    """Each small tree is proved to have grown from each smaller one, and from no other."""
    for size in range(1, SIZE_MAX):
        leaves = hashes(size)
        root = tree_root(leaves)
        for old in range(1, size + 1):
            before, path = tree_root(leaves[:old]), consistency_proof(roots_in(leaves), size, old)
            assert (before, root) == verifier.grow(old, size, list(path), before)
            assert is_consistent(old, before, size, root, path)
            for wrong in (path[:-1], (*path, root), *_flipped(path)):
                if wrong != path:
                    assert not is_consistent(old, before, size, root, wrong)
            assert not is_consistent(old, leaf_hash(b"x"), size, root, path)
            assert not is_consistent(old, before, size, leaf_hash(b"x"), path)
    assert not is_consistent(0, EMPTY_ROOT, 3, tree_root(hashes(3)), ())
    assert not is_consistent(4, tree_root(hashes(4)), 3, tree_root(hashes(3)), ())
    assert not is_consistent(3, tree_root(hashes(3)), 4, tree_root(hashes(4)), ())


def _flipped(path: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Return the path with one bit of each of its hashes turned round."""
    return [(*path[:i], bytes([h[0] ^ 1]) + h[1:], *path[i + 1 :]) for i, h in enumerate(path)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100, 257])
def test_frontier_is_the_same_however_it_grew(size: int) -> None:
    """Leaves added one by one, in uneven parts or at once give the same frontier."""
    leaves = [leaf_hash(bytes([i % 256, i // 256])) for i in range(size)]
    at_once = Frontier().extended(leaves)
    parts, begin, step = Frontier(), 0, 1
    while begin < size:
        parts = parts.extended(leaves[begin : begin + step])
        begin, step = begin + step, step * 3 % 17
    assert at_once == parts
    assert (size, size.bit_count()) == (at_once.size, len(at_once.peaks))
    assert tree_root(leaves) == at_once.root
