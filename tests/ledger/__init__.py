"""Tests of the ledger: its parts, its file under crashes, and a verifier that is not ours."""
