"""What tests start: programs of a control plane and of the chart, made of their Go modules.

`python -m tests.cluster.binaries kubernetes-1.36 helm` makes them, where they are not there yet.
`definitions` is what other programs publish of their objects, from their modules too.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MODULES: Final = Path(__file__).resolve().parent / "go"
KUBERNETES: Final = "kubernetes-1.36"
OLDER: Final = "kubernetes-1.34"
HELM: Final = "helm"
DEFINITIONS: Final = "definitions"
PUBLISHED: Final = {  # what other programs' modules say of their own objects
    "github.com/kedacore/keda/v2": ("config/crd/bases/keda.sh_scaledobjects.yaml",),
    "github.com/koordinator-sh/koordinator": (
        "config/crd/bases/config.koordinator.sh_clustercolocationprofiles.yaml",
        "config/crd/bases/slo.koordinator.sh_nodeslos.yaml",
        "apis/configuration/slo_controller_config.go",
    ),
}
PROMTOOL: Final = "promtool"
PLANE: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
STAGES: Final = "stages.yaml"  # how kwok lets nodes and Pods live
REMEDY: Final = (
    "install Go 1.26 or newer, or let KUBEBUILDER_ASSETS name a folder with {programs} and kwok's "
    f"{STAGES}"
)


class MissingError(RuntimeError):
    """Programs that are not there and cannot be made, and what to install."""


def programs(name: str) -> Path:
    """Return the folder of a module's programs, made first where they are not there."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given and name == KUBERNETES:
        return _given(Path(given))
    folder = _cache() / f"{name}-{_digest(name)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(name, folder)
    return folder


def _given(folder: Path) -> Path:
    wanted = (*PLANE, "kubectl", STAGES)
    missing = [one for one in wanted if not (folder / one).exists()]
    if missing:
        message = f"KUBEBUILDER_ASSETS names {folder}, in which {', '.join(missing)} are missing"
        raise MissingError(message)
    return folder


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "greensched" / "cluster"


def _digest(name: str) -> str:
    """Return what tells builds apart: everything that is pinned."""
    pinned = b"".join((MODULES / name / part).read_bytes() for part in ("go.mod", "go.sum"))
    return hashlib.sha256(pinned).hexdigest()[:12]


def _make(name: str, folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise MissingError(REMEDY.format(programs=", ".join(PLANE)))
    if name == DEFINITIONS:
        _fetch(go, folder)
        return
    sys.stderr.write(f"building {name} (minutes, once; kept in {folder})\n")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        command = [go, "build", "-trimpath", "-ldflags", " ".join(_flags(name)), "-o", f"{made}/"]
        _run([*command, "tool"], name)
        if name != HELM:
            (Path(made) / "server").rename(Path(made) / "etcd")
        if name == KUBERNETES:
            (Path(made) / STAGES).write_text("---\n".join(_stages(go, name)))
        elif name == OLDER:  # no kwok builds with its libraries, and any kwok serves it
            for part in ("kwok", STAGES):
                shutil.copy2(programs(KUBERNETES) / part, made)
        Path(made).chmod(0o755)
        shutil.copytree(made, f"{folder}.new", dirs_exist_ok=True)
    Path(f"{folder}.new").rename(folder)
    sys.stderr.write(f"built {name} in {time.monotonic() - began:.0f} s\n")


def _fetch(go: str, folder: Path) -> None:
    """Copy what other programs publish of their objects; nothing of theirs is built."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        for module, files in PUBLISHED.items():
            told = json.loads(_run([go, "mod", "download", "-json", module], DEFINITIONS))
            for file in files:
                shutil.copy(Path(told["Dir"]) / file, made)
        Path(made).chmod(0o755)
        shutil.copytree(made, f"{folder}.new", dirs_exist_ok=True)
    Path(f"{folder}.new").rename(folder)


def _flags(name: str) -> Iterator[str]:
    """Yield what the linker is told: no symbols, and the version, which else is a placeholder."""
    yield from ("-s", "-w")
    version = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)", _pinned(name))
    if version:
        parts = {"gitVersion": version[1], "gitMajor": version[2], "gitMinor": version[3]}
        for key, value in parts.items():
            yield f"-X k8s.io/component-base/version.{key}={value}"


def _pinned(name: str) -> str:
    return (MODULES / name / "go.mod").read_text()


def _stages(go: str, name: str) -> Iterator[str]:
    """Yield kwok's own stages: nodes are ready at once, Pods run as their annotations say."""
    module = _run([go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"], name).strip()
    root = Path(module) / "kustomize" / "stage"
    of_pods = sorted((root / "pod" / "general").glob("pod-*.yaml"))
    for path in (root / "node" / "fast" / "node-initialize.yaml", *of_pods):
        yield path.read_text()


def _run(command: list[str], name: str) -> str:
    asked: Mapping[str, str] = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    env = {**os.environ, **asked}
    done = subprocess.run(
        command, cwd=MODULES / name, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MissingError(f"{' '.join(command[:2])} of {name} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def promtool() -> Path:
    """Return Prometheus's checker: of the path, else of Debian's package, unpacked."""
    return _of_prometheus(PROMTOOL)


def prometheus() -> Path:
    """Return Prometheus itself, in the same way."""
    return _of_prometheus("prometheus")


def _of_prometheus(name: str) -> Path:
    found = shutil.which(name)
    if found:
        return Path(found)
    folder = _cache() / "prometheus"
    program = folder / "usr" / "bin" / name
    if not program.exists():
        _unpack("prometheus", folder)
    return program


def _unpack(package: str, folder: Path) -> None:
    remedy = f"promtool is missing: install Debian's package {package}"
    if not shutil.which("apt-get"):
        raise MissingError(remedy)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        download = ["apt-get", "download", package]
        for command in (download, ["apt-get", "update"], download):  # lists may be missing or old
            done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
            if list(Path(made).glob("*.deb")):
                break
        files = list(Path(made).glob("*.deb"))
        if not files:
            raise MissingError(f"{remedy}\n{done.stderr}")
        unpack = ["dpkg-deb", "-x", str(files[0]), str(folder)]
        subprocess.run(unpack, check=True)


def main(*names: str) -> None:
    """Make what is named, by default all that the tests need."""
    for name in names or (KUBERNETES, HELM, DEFINITIONS, PROMTOOL):
        sys.stdout.write(f"{promtool() if name == PROMTOOL else programs(name)}\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except MissingError as error:
        sys.exit(f"tests/cluster: {error}")
