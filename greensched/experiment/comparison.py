"""`compare`: two results side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greensched.experiment.outcome import TOTALS

if TYPE_CHECKING:
    import pandas as pd

    from greensched.experiment.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The scenarios of two summaries: `a`, `b` and b less a."""

    a: dict[str, Any]
    b: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return one row a quantity: name, a, b, difference (None where one is not known)."""
        parts = ("service", "batch", "databases")
        names = [*TOTALS, *(leaf for part in parts for leaf in _leaves(part, self.a))]
        struck = next((s for s in (self.a, self.b) if s["scenario"].get("outages")), None)
        names += [] if struck is None else _leaves("outages", struck)
        if self.a["currency"] and self.b["currency"] not in (None, self.a["currency"]):
            names.remove("cost")  # amounts in different currencies have no difference
        rows = []
        for name in names:
            a, b = _at(self.a, name), _at(self.b, name)
            known = isinstance(a, (int, float)) and isinstance(b, (int, float))
            rows.append({"quantity": name, "a": a, "b": b, "difference": b - a if known else None})
        return rows

    @property
    def table(self) -> pd.DataFrame:
        """Return the rows as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows).set_index("quantity")


def _leaves(part: str, summary: dict[str, Any]) -> list[str]:
    """Return the paths of the numbers in one part of a summary."""
    values = summary["scenario"][part]
    return [
        f"{part}.{k}"
        for k, v in values.items()
        if not k.endswith(("_ok", "_limit", "_limit_s")) and not isinstance(v, (dict, str))
    ]


def _at(summary: dict[str, Any], path: str) -> Any:
    """Return the value at a dotted path of the summary's scenario."""
    value: Any = summary["scenario"]
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def compare(a: Result | dict[str, Any], b: Result | dict[str, Any]) -> Comparison:
    """Return two results (or their summaries) side by side."""
    return Comparison(
        a=a if isinstance(a, dict) else a.summary, b=b if isinstance(b, dict) else b.summary
    )
