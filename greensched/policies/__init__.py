"""Policies: pure decisions on a snapshot, one file a technology.

`hpa`, `machines`, `memory` and `settings` hold what several of them share.
"""
