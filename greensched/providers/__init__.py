"""Carbon sources, one file each; each returns a `CarbonIntensity`."""
