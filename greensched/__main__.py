"""Run the command line: `greensched`, or `python -m greensched`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130 also while it is still being imported."""
    try:
        from greensched.cli.main import main as run

        run(prog_name="greensched")
    except KeyboardInterrupt:
        import os

        os.write(2, b"interrupted; nothing was written\n")
        os._exit(130)  # what is half imported is not asked to clean up


if __name__ == "__main__":
    main()
