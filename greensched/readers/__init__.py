"""Trace formats, one file each, and the typed store that every run reads from.

Each format is a module with `read(files, options) -> Trace`; `store` keeps a `Trace` on disk and
opens it memory-mapped, `resolve` imports a raw file once into the user's cache, `inspect` says
what is in a trace. Bulk reading and checking is done by duckdb, behind `table` and `checks`.
"""
