"""Replicas on machines that are lent or may be."""

from __future__ import annotations


def compile_all() -> None:
    """Compile the loops, or load them from the cache."""
