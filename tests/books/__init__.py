"""Tests of the books of a company."""
