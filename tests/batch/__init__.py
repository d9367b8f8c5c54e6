"""The batch runner, with real processes on small times."""
