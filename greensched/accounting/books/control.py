"""A site's control mode: in which scope its lines stand. It moves lines and leaves the total.

A company that runs a site counts its fuel and electricity as scopes 1 and 2; one that leases it
without running it counts the same emissions in scope 3, category 8; one that buys it as a
service in category 1 (GHG Protocol, Technical Guidance for Scope 3, category 8). Never in both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.accounting.books.book import Inventory, Line

Control: TypeAlias = Literal["operational", "leased_cat8", "cloud_cat1"]
SCOPE3: Final = 3
CATEGORIES: Final[dict[Control, str]] = {
    "leased_cat8": "8 upstream leased assets",
    "cloud_cat1": "1 purchased goods and services",
}


def by_control(inventory: Inventory, modes: Mapping[str, Control]) -> Inventory:
    """Return the inventory with the lines of each site in the scope of its control mode.

    A site that `modes` does not name is operational. Lines of scope 3 stay where they are.
    """
    return replace(
        inventory,
        lines=tuple(_moved(line, modes.get(line.site, "operational")) for line in inventory.lines),
    )


def _moved(line: Line, mode: Control) -> Line:
    if mode == "operational" or line.scope == SCOPE3:
        return line
    note = f"{line.category} of a site that is {'leased' if mode == 'leased_cat8' else 'bought'}"
    notes = f"{line.note}; {note}" if line.note else note
    return replace(line, scope=SCOPE3, category=CATEGORIES[mode], note=notes)
