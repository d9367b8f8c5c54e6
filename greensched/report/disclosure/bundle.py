"""The files of a statement, with all that is needed to make and to verify it again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from greensched.ledger.text import export_text
from greensched.report.disclosure.printed import lines_csv, statement_markdown
from greensched.report.outputs import check_place, json_text, write_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from greensched.report.disclosure.gather import Gathered
    from greensched.report.disclosure.operated import Operated

SUMS: Final = "SHA256SUMS"
MARKS: Final = ("statement.json", SUMS)
VERIFY: Final = """\
# How to verify this statement

1. Nothing was changed since: `sha256sum -c {sums}` (or `shasum -a 256 -c {sums}`).
2. The rows are those that were signed. Make a ledger of the same origin and append the rows:

       greensched ledger init again.ledger --origin {origin} --kind {kind}
       greensched ledger append again.ledger --from ledger.json
       greensched ledger anchor again.ledger

   Its root (the third word) is that of `checkpoint.txt`, whose signature is checked with the key
   below: take the key from the company by another way than this folder.

       {key}

3. The figures follow from rows and inputs:

       greensched disclose {year} --company inputs/{company} --ledger LEDGER --key KEY -o json

   prints `statement.json`, with the ledger that the company keeps.
"""


def write_statement(
    folder: Path, values: Mapping[str, Any], gathered: Gathered, ledger: Operated
) -> None:
    """Write a statement's folder in full or not at all; an earlier one's files are replaced.

    Raises UsageError where the place cannot be written or holds something else.
    """
    check_place(folder, MARKS, "a statement")

    def fill(place: Path) -> None:
        for name, data in bundle(values, gathered, ledger):
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    write_folder(folder, fill, (SUMS, *_summed(folder / SUMS)))


def _summed(sums: Path) -> list[str]:
    """Return the files that the checksums of an earlier statement name."""
    if not sums.is_file():
        return []
    lines = sums.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.partition("  ")[2] for line in lines]


def bundle(
    values: Mapping[str, Any], gathered: Gathered, ledger: Operated
) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each file, checksums last."""
    company = gathered.company
    name = company.source.name
    made: list[tuple[str, bytes]] = [
        ("statement.md", statement_markdown(values).encode()),
        ("statement.json", json_text(values).encode()),
        ("lines.csv", lines_csv(values).encode()),
        ("checkpoint.txt", ledger.verified.checkpoint.text.encode()),
        ("ledger.json", "".join(export_text(ledger.path)).encode()),
        (f"inputs/{name}", (company.folder / name).read_bytes()),
    ]
    root = company.folder.resolve()
    for path, _ in gathered.inputs:
        full = path.resolve()
        inner = full.relative_to(root) if full.is_relative_to(root) else full.name
        made.append((f"inputs/{inner}", full.read_bytes()))
    told = values["ledger"]
    text = VERIFY.format(
        sums=SUMS,
        origin=told["origin"],
        kind=told["kind"],
        key=told["key"],
        year=values["year"],
        company=name,
    )
    made.append(("VERIFY.md", text.encode()))
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {file}\n" for file, data in sorted(made))
    yield from made
    yield SUMS, sums.encode()
