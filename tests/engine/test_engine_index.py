"""The index of free capacity: searches skip only where nobody has room."""

from __future__ import annotations

from tests.engine.check import Checked
from tests.engine.crowded_worlds import crowded, fine


def test_no_level_is_skipped_that_has_room() -> None:
    """What is told of levels, blocks and trees holds of all machines that are there."""
    for seed in range(20):
        for make in (fine, crowded):
            run = Checked(make(seed))
            try:
                run.finish()
            except AssertionError as error:
                error.add_note(f"the world is {make.__name__}({seed})")
                raise
            assert run.checks > 0
