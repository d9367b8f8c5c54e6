"""What a fleet does not give, and so is not counted: told with the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greensched.errors import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greensched.model import MachineType

NAMED: Final = 3  # machine types, where something is missing of many


def not_counted(fleet: Sequence[MachineType]) -> tuple[str, ...]:
    """Return, in words, which machine types have no emissions of their making."""
    names = [kind.name for kind in fleet if not kind.embodied_known]
    if not names:
        return ()
    more = f" and {plural(len(names) - NAMED, 'type')} more" if len(names) > NAMED else ""
    return (f"embodied not given for {', '.join(names[:NAMED])}{more}: not counted",)
