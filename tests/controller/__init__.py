"""Tests of the controller: pure parts, a fake API server, a simulation, the commands."""
