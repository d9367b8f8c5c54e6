"""Run the command line as `python -m greensched`."""

from __future__ import annotations

from greensched.cli.main import main

if __name__ == "__main__":
    main(prog_name="greensched")
