"""`Scenario`: one checked file, its policies built, its hash known."""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785

from greensched.errors import Finding, ScenarioError, UsageError
from greensched.scenario.check import check
from greensched.scenario.overrides import place_of, with_overrides
from greensched.scenario.source import BYTES_MAX, Source, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greensched.model import Policy
    from greensched.scenario.spec import BaselineSpec, Queue, ScenarioSpec, Slo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON_INTEGER_MAX = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario that can be run: `spec` is what the file says, converted and checked.

    `policies` are the enabled switches, in the file's order; relative paths of the file start at
    `folder` and stay inside it unless `allow_outside`.
    """

    spec: ScenarioSpec
    source: Source
    policies: tuple[Policy, ...]
    folder: Path
    allow_outside: bool = False

    @property
    def name(self) -> str:
        """Return the scenario's name."""
        return self.spec.name

    @property
    def seed(self) -> int:
        """Return the seed of everything that is drawn."""
        return self.spec.seed

    @property
    def window_ms(self) -> int:
        """Return the window's length [ms]."""
        return self.spec.window.length_ms

    @property
    def start_utc_ms(self) -> int:
        """Return the window's start [ms since 1970-01-01T00:00Z]."""
        return (self.spec.window.start - _EPOCH) // timedelta(milliseconds=1)

    @property
    def start_offset_ms(self) -> int:
        """Return the local time of day at the start [ms], as policies' timetables read it."""
        start = self.spec.window.start
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        return (start - midnight) // timedelta(milliseconds=1)

    @property
    def baseline(self) -> BaselineSpec:
        """Return what it is compared with."""
        return self.spec.baseline

    @property
    def slo(self) -> Slo:
        """Return the objectives."""
        return self.spec.slo

    @property
    def queue(self) -> Queue:
        """Return how jobs are ordered and placed."""
        return self.spec.queue

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the checked values, with defaults and seed, as canonical JSON.

        Units, order of keys, comments, and switches, failures and maintenance that are off do not
        change it.
        """
        return hashlib.sha256(rfc8785.dumps(_plain(self.values))).hexdigest()

    @property
    def values(self) -> dict[str, Any]:
        """Return the checked values as plain ones, the settings of policies with defaults."""
        values = self.spec.model_dump(mode="json", by_alias=True, exclude={"policies"})
        if self.spec.failures is None or not self.spec.failures.enabled:
            del values["failures"]
        values["baseline"] = {k: v for k, v in values["baseline"].items() if v is not None}
        if self.spec.calibration is None:
            del values["calibration"]
        for name in ("calendar", "classify", "pools"):
            if values[name] is None:
                del values[name]
        maintenance = [m for m in values.pop("maintenance") if m.pop("enabled")]
        if maintenance:
            values["maintenance"] = maintenance
        values["policies"] = [
            {"kind": p.kind, **asdict(p)}  # type: ignore[call-overload]  # all are dataclasses
            for p in self.policies
        ]
        return values

    @property
    def result_name(self) -> str:
        """Return the name of the folder of its results: `tidal-week-1a2b3c4d`."""
        return f"{self.name}-{self.hash[:8]}"

    @property
    def text(self) -> str:
        """Return the scenario as YAML that loads to the same values, overrides included."""
        from ruamel.yaml import YAML

        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = None  # what has no parts of its own stands on one line
        yaml.width = 98
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        out = io.StringIO()
        yaml.dump(self.source.tree, out)
        return out.getvalue()

    def with_(self, **overrides: Any) -> Scenario:
        """Return the scenario with scalars replaced: `with_(**{"fleet.0.count": 100})`.

        Raises UsageError for paths that lead nowhere, ScenarioError for values that cannot be.
        """
        return self.overridden(overrides)

    def overridden(self, overrides: Mapping[str, Any]) -> Scenario:
        """Return the scenario with `overrides` (path -> value or text of `--set`) applied."""
        source = _overridden(self.source, overrides)
        return _checked(source, self.folder, allow_outside=self.allow_outside)


def load(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    allow_outside: bool = False,
) -> Scenario:
    """Return the scenario in the file `path`, `overrides` applied.

    Raises ScenarioError with every finding of the file, UsageError for overrides that lead
    nowhere. Files that the scenario names are not opened here.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(BYTES_MAX + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise ScenarioError(Finding(where=str(path), what=what)) from None
    except UnicodeDecodeError:
        raise ScenarioError(Finding(where=str(path), what="not UTF-8 text")) from None
    return loads(text, file.name, file.parent, overrides, allow_outside=allow_outside)


def loads(
    text: str,
    name: str = "scenario.yaml",
    folder: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    allow_outside: bool = False,
) -> Scenario:
    """Return the scenario in `text`; as `load`, with paths relative to `folder`, or to here."""
    source = read_text(text, name)
    if overrides:
        source = _overridden(source, overrides)
    return _checked(source, folder or Path(), allow_outside=allow_outside)


def _overridden(source: Source, overrides: Mapping[str, Any]) -> Source:
    """Return a text that was read with `overrides` applied.

    Raises UsageError for those that lead nowhere, with all that is wrong with the rest.
    """
    tree, findings = with_overrides(source.tree, overrides)
    given = {**source.given, **{place_of(tree, text): text for text in overrides}}
    made = Source(name=source.name, tree=tree, places=source.places, given=given)
    if not findings:
        return made
    try:
        check(made)
    except ScenarioError as error:
        findings += error.findings
    raise UsageError(*findings)


def _checked(source: Source, folder: Path, *, allow_outside: bool) -> Scenario:
    """Return the scenario of a text that was read, or raise with all that is wrong."""
    spec, policies = check(source)
    return Scenario(
        spec=spec, source=source, policies=policies, folder=folder, allow_outside=allow_outside
    )


def _plain(value: Any) -> Any:
    """Return `value` with integers beyond 2^53 as text, as canonical JSON wants them."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _JSON_INTEGER_MAX:
        return str(value)
    return value
