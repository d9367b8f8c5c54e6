"""Tests of the engine: hand-computed days, twins, laws of its arrays."""
