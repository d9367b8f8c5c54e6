"""Vega, Vega-Lite and Vega-Embed as one script, of the copy that vl-convert carries."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any


@cache
def script() -> str:
    """Return the script; it defines `vegaEmbed` and asks nothing of the network.

    vl-convert needs seconds to put it together, so it is kept in the user's cache by version.
    """
    path = _cached()
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        pass
    import vl_convert

    bundled: Any = vl_convert.javascript_bundle  # its stub asks for what is optional
    text: str = bundled()
    # Within an element `script`, nothing may look like its end.
    text = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    _keep(path, text)
    return text


def _cached() -> Path:
    from importlib.metadata import version

    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "greensched" / "page" / f"vega-{version('vl-convert-python')}.js"


def _keep(path: Path, text: str) -> None:
    """Write the script in full or not at all; where that is refused it is made again next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, delete=False
        ) as stream:
            stream.write(text)
        Path(stream.name).replace(path)
    except OSError:
        return
