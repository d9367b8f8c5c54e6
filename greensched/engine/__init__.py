"""The engine: SimPy is the clock of the control plane, compiled kernels are the data plane."""
