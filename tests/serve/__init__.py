"""Tests of the live control centre."""
