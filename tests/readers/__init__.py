"""Readers of trace formats, the store, the cache and inspection."""
