"""Compiled loops of the engine: the data plane between two wake-ups of the control plane."""
