"""Sources of intensity: servers on this machine, files, forecasts, limits."""
