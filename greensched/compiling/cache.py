"""The folder of compiled loops.

numba's cache does not notice when a callee in another module changes, so the folder's name carries
a hash of all sources that are compiled, of numba's version and of the processor.
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
SOURCES = (
    "compiling/*.py",
    "**/kernels/*.py",
    "**/kernels.py",
    "forecast/bands.py",
    "forecast/level.py",
    "power.py",
    "queueing.py",
    "model/codes.py",
)


def _sources() -> list[Path]:
    """Return the files whose text the compiled code depends on."""
    package = Path(__file__).parent.parent
    return sorted({path for pattern in SOURCES for path in package.glob(pattern)})


def cache_folder() -> Path:
    """Return the folder of compiled loops for this source, numba and processor."""
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


def is_cached(*entries: str) -> bool:
    """Say whether all `entries` ("module.function") have been compiled before."""
    names = [path.name for path in CACHE_FOLDER.rglob("*.nbc")]
    return not COMPILED or all(any(n.startswith(entry) for n in names) for entry in entries)
