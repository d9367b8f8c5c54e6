"""Which of those that wait, in their order, is the first to fit? Answers in O(log n)."""

from __future__ import annotations

from typing import Final

FULL: Final = 2**62  # larger than any room: nobody stands here


class Waiting:
    """Places 0 .. n - 1 in order; at each may stand somebody who needs so much room.

    A binary tree of least needs, in one list: node i has the children 2i and 2i + 1.
    """

    __slots__ = ("_leaves", "_tree", "count")

    def __init__(self, places: int) -> None:
        """Make room for `places`, all empty."""
        self._leaves = 1 << max(0, (places - 1).bit_length())
        self._tree = [FULL] * (2 * self._leaves)
        self.count = 0

    def put(self, place: int, need: int) -> None:
        """Let somebody who needs `need` stand at `place`."""
        self.count += 1
        tree, i = self._tree, place + self._leaves
        tree[i] = need
        i >>= 1
        while i and tree[i] > need:
            tree[i] = need
            i >>= 1

    def take(self, place: int) -> None:
        """Let who stands at `place` go."""
        self.count -= 1
        tree, i = self._tree, place + self._leaves
        tree[i] = FULL
        i >>= 1
        while i:
            least = min(tree[2 * i], tree[2 * i + 1])
            if tree[i] == least:
                return
            tree[i] = least
            i >>= 1

    def first(self, room: int) -> int:
        """Return the first place whose need fits into `room`, -1 where none does."""
        tree = self._tree
        if tree[1] > room:
            return -1
        i = 1
        while i < self._leaves:
            i *= 2
            if tree[i] > room:
                i += 1
        return i - self._leaves
