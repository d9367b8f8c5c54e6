"""Compiled loops of the engine: the data plane between two wake-ups of the control plane.

numba's cache does not notice when a callee in another module changes, so the cache folder's name
carries a hash of all kernel sources, of numba's version and of the processor.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numba
from llvmlite.binding import get_host_cpu_name

_config: Any = numba.config  # filled at run time from the environment
COMPILED: bool = not _config.DISABLE_JIT


def _sources() -> list[Path]:
    """Return the files whose text the compiled code depends on."""
    here = Path(__file__).parent
    package = here.parent.parent
    shared = [package / name for name in ("power.py", "queueing.py", "model/codes.py")]
    return sorted(here.glob("*.py")) + shared


def cache_folder() -> Path:
    """Return the folder of compiled kernels for this source, numba and processor."""
    digest = hashlib.sha256(f"{numba.__version__} {get_host_cpu_name()}".encode())
    digest.update(platform.python_version().encode())
    for path in _sources():
        digest.update(path.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "greensched" / "kernels" / digest.hexdigest()[:16]


def _use_cache() -> Path:
    """Point numba at the cache folder, or at a temporary one where that cannot be written."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="greensched-kernels-"))
        warnings.warn(
            f"{cache_folder()} cannot be written; kernels are compiled anew in {folder}",
            RuntimeWarning,
            stacklevel=2,
        )
    _config.CACHE_DIR = str(folder)
    return folder


CACHE_FOLDER: Path = _use_cache()


def is_compiled() -> bool:
    """Say whether the kernels have been compiled before (so that a run starts at once)."""
    names = [path.name for path in CACHE_FOLDER.rglob("*.nbc")]
    parts = ("advance.advance", "control.control", "sight.replicas", "latency.fill")
    return not COMPILED or all(any(n.startswith(part) for n in names) for part in parts)
