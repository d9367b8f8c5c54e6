"""The tests of greensched."""
