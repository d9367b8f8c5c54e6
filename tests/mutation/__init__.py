"""Mutation of `accounting/` and `ledger/`: small faults put in one at a time (decision 0029)."""
