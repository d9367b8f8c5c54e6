"""`Company`: one checked file, the folder of what it names, and its calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from greensched.accounting.books import Year
from greensched.errors import ScenarioError
from greensched.scenario.check import findings_of
from greensched.scenario.company import CompanySpec
from greensched.scenario.paths import inside, there
from greensched.scenario.source import Source, read_file
from greensched.scenario.words import frozen, translated
from greensched.units import MS_PER_H, MS_PER_S

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A company whose file has been checked; relative paths start at `folder` and stay inside."""

    spec: CompanySpec
    source: Source
    folder: Path
    sha256: str
    allow_outside: bool = False

    def file(self, text: str, *where: str | int) -> Path:
        """Return the path of a file that is named at `where`; raises ScenarioError for none."""
        place = self.source.where(where)
        path = self.folder / text
        if self.allow_outside:
            return there(path.resolve(), text, place)
        return there(inside(path, self.folder, text, place, "the company's folder"), text, place)

    def calendar(self, year: int) -> Year:
        """Return a calendar year where the company is."""
        zone = ZoneInfo(self.spec.time_zone)
        start, end = (
            round(datetime(y, 1, 1, tzinfo=zone).timestamp()) * MS_PER_S for y in (year, year + 1)
        )
        return Year(year=year, start_ms=start, hours=(end - start) // MS_PER_H)


def load_company(path: Path, *, allow_outside: bool = False) -> Company:
    """Return the company in a file; raises ScenarioError with every finding of it."""
    source, sha256 = read_file(path, "--company names the file of the company")
    return Company(
        spec=_checked(source),
        source=source,
        folder=path.parent,
        sha256=sha256,
        allow_outside=allow_outside,
    )


def _checked(source: Source) -> CompanySpec:
    tree: Any = frozen(source.tree)
    try:
        return CompanySpec.model_validate(tree)
    except ValidationError as error:
        raise ScenarioError(*findings_of(source, translated(error, CompanySpec, tree))) from None


def company_schema() -> dict[str, Any]:
    """Return the JSON Schema of company files."""
    made = CompanySpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
