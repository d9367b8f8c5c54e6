"""Tests on a real control plane: no containers, everything on the loopback.

`make test-cluster` runs them. Binaries are made of Go modules once and kept in the user's cache.
"""
