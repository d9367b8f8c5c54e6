"""The sections of a page of a result: what was saved, over time, at what risk, how sure."""
