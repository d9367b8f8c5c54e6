"""The batch runner: jobs of this machine that wait for clean hours, durable over crashes.

One queue a user, in SQLite. A worker plans and starts; each job has a supervisor of its own, a
process that outlives the worker. Who may change what: `docs/reference/batch.md`.
"""
