"""The tree as proofs ask for it: from the kept roots of groups of leaves, or from every row.

A ledger keeps the root of each full group of 256 leaves, so that a proof reads these, one in 256
rows, and the leaves of a group or two. They are made of the rows and prove nothing: a path that
does not lead to the signed root is made again of all rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.ledger.tree import HASH_BYTES, tree_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

GROUP: Final = 256
TABLE: Final = "CREATE TABLE groups (number INTEGER PRIMARY KEY, hash BLOB NOT NULL)"


def has_groups(connection: Connection) -> bool:
    """Tell whether a ledger keeps roots of groups; the first format did not."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'groups'").fetchone()
    return found is not None


def leaves_between(connection: Connection, begin: int, end: int) -> list[bytes]:
    """Return the stored leaf hashes of rows `[begin, end)`; raises ValueError for damage."""
    sql = "SELECT leaf_hash FROM rows WHERE row >= ? AND row < ? ORDER BY row"
    found = [leaf for (leaf,) in connection.execute(sql, (begin, end))]
    if not all(_is_hash(leaf) for leaf in found):
        raise ValueError("a row is not what was appended")
    return found


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == HASH_BYTES


def add_groups(connection: Connection, first: int, leaves: Sequence[bytes]) -> None:
    """Keep the roots of the groups that rows from `first` on have filled, in a transaction."""
    end = (first + len(leaves)) // GROUP * GROUP
    begin = first // GROUP * GROUP
    if begin == end or not has_groups(connection):
        return
    every = [*leaves_between(connection, begin, first), *leaves]
    roots = (
        (number, tree_root(every[at : at + GROUP]))
        for number, at in enumerate(range(0, end - begin, GROUP), begin // GROUP)
    )
    connection.executemany("INSERT INTO groups VALUES (?, ?)", roots)


class KeptTree:
    """A tree of `size` leaves by the roots of its groups, as they are: who asks checks the path.

    Raises ValueError where what is kept are no hashes.
    """

    def __init__(self, connection: Connection, size: int) -> None:
        """Read the roots of groups."""
        self._connection = connection
        rows = connection.execute("SELECT hash FROM groups ORDER BY number").fetchall()
        self._roots = [root for (root,) in rows if _is_hash(root)]
        if size % GROUP:
            self._roots.append(tree_root(leaves_between(connection, size // GROUP * GROUP, size)))

    def root(self, begin: int, end: int) -> bytes:
        """Return the root of a subtree: of one group at most, or of whole ones."""
        if end - begin <= GROUP:
            return tree_root(leaves_between(self._connection, begin, end))
        return tree_root(self._roots[begin // GROUP : -(-end // GROUP)])
