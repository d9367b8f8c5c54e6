"""The live control centre: what waits and why, what was saved today, what is wrong.

Watched places are looked at in the background, each at its own pace; requests only read what was
last put together. Nothing is ever changed from here. What is promised: `docs/reference/serve.md`.
"""
