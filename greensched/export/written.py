"""An export as YAML that reads the same to programs of YAML 1.1 and of 1.2.

To YAML 1.1, which kubectl reads, 01:00 is the number 60 and `no` is false: text is quoted unless
nobody could take it for anything else.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from greensched.errors import escape_control

if TYPE_CHECKING:
    from greensched.export.decided import Export

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_WORDS: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"))


class _Representer(SafeRepresenter):
    """Represents text so that it stays text."""


def _text(representer: Any, value: str) -> Any:
    style = '"'
    if "\n" in value:
        style = "|"
    elif _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        style = ""
    return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style or None)


_Representer.add_representer(str, _text)


def written(made: Export) -> str:
    """Return the documents as YAML; what they do not say stands before them as comments."""
    lines = [f"# greensched export --to {made.target}: to review, nothing was applied"]
    lines += [f"# {escape_control(note)}" for note in made.notes]
    lines += ["# Not expressed here:"] if made.not_expressed else []
    lines += [f"# - {escape_control(line)}" for line in made.not_expressed]
    if not made.documents:
        return "\n".join([*lines, "# There is nothing to export."]) + "\n"
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    yaml.dump_all(made.documents, out)
    return "\n".join([*lines, "---", out.getvalue()])
