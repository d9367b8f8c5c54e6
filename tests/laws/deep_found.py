"""What `make laws-deep` has found until now: in `tests/laws/found` a file for each file of laws.

It is kept with the tests, test by test and one line each, so that anybody goes on where it was;
who runs files of their own, at the same time, writes files of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, TypeAlias

FOLDER: Final = Path(__file__).with_name("found")

One: TypeAlias = "dict[str, Any]"  # outcome, examples, seconds; text where it failed


def nothing() -> One:
    """Return what a test has had that was never tried."""
    return {"outcome": "passed", "examples": 0, "seconds": 0.0}


class Found:
    """What each test of a law has had, by its name in pytest."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read what is known."""
        self._folder = folder
        self._files = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}

    def of(self, name: str) -> One:
        """Return what a test has had; nothing yet is that, too."""
        known: One = self._files.get(_file(name), {}).get(name, nothing())
        return known

    def keep(self, name: str, one: One) -> None:
        """Keep what a test has had by now."""
        self._files.setdefault(_file(name), {})[name] = one
        self._write(_file(name))

    def keep_only(self, names: list[str]) -> None:
        """Forget tests that are no longer in the files of these."""
        for stem in {_file(name) for name in names} & self._files.keys():
            own = self._files[stem]
            self._files[stem] = {name: one for name, one in own.items() if name in names}
            if len(self._files[stem]) < len(own):
                self._write(stem)

    def _write(self, stem: str) -> None:
        own = self._files[stem]
        rows = (
            f"{json.dumps(n)}: {json.dumps(o, sort_keys=True)}" for n, o in sorted(own.items())
        )
        path = self._folder / f"{stem}.json"
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
        temporary.replace(path)

    def forget(self, paths: list[str]) -> None:
        """Forget what the tests in these files have had."""
        for stem in (Path(path).stem for path in paths):
            self._files.pop(stem, None)
            (self._folder / f"{stem}.json").unlink(missing_ok=True)

    def all(self) -> dict[str, One]:
        """Return what all tests have had."""
        return {name: one for own in self._files.values() for name, one in own.items()}


def _file(name: str) -> str:
    return Path(name.partition("::")[0]).stem
