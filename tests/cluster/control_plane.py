"""A control plane of processes on the loopback, each of which can be killed and started again."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from ruamel.yaml import YAML

from tests.cluster.binaries import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

READY_S: Final = 60.0  # on a busy machine; 3 s on a free one
POLL_S: Final = 0.05
ADMIN: Final = "admin"
CONTROLLERS: Final = ",".join(
    f"{name}-controller"
    for name in ("job", "cronjob", "garbage-collector", "namespace", "ttl-after-finished")
)


class NotReadyError(RuntimeError):
    """Something did not come about in time; the end of its log is told."""


def wait_for(ready: Callable[[], object], what: str, within_s: float = READY_S) -> None:
    """Return once `ready` answers true; raises NotReadyError."""
    end_s = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > end_s:
            raise NotReadyError(f"not in {within_s:.0f} s: {what}")
        time.sleep(POLL_S)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Process:
    """One program, started again with the same words after it was killed."""

    command: list[str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it dies with us, whatever becomes of us."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen([*_mortal(), *self.command], stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill it by SIGKILL, as a lost machine would."""
        if self.running is not None:
            self.running.send_signal(signal.SIGKILL)
            self.running.wait()
            self.running = None

    @property
    def tail(self) -> str:
        """Return the end of what it said."""
        return self.log.read_text(errors="replace")[-2_000:]


def _mortal() -> list[str]:
    """Return what makes a program die with us, where the system has it."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL"] if found else []


@dataclass
class ControlPlane:
    """etcd, API server, controller manager, scheduler, and kwok in place of kubelets.

    `users` are names with their groups; each gets a token, and rights by RBAC alone.
    """

    programs: Path
    folder: Path
    users: dict[str, tuple[str, ...]]
    tokens: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose ports, and write down keys and tokens."""
        self.port, self._etcd_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.tokens = {name: secrets.token_hex(16) for name in (ADMIN, *self.users)}
        (self.folder / "certs").mkdir()
        self._write_tokens()
        self._write_key()
        self.kubeconfig(ADMIN)
        for name, command in self._commands().items():
            program = str(self.programs / name)
            self.processes[name] = Process([program, *command], self.folder / f"{name}.log")

    @property
    def authority(self) -> Path:
        """Return the certificate that the API server makes for itself at its first start."""
        return self.folder / "certs" / "apiserver.crt"

    def __enter__(self) -> Self:
        """Start everything; return when Jobs can be made."""
        try:
            self.start("etcd")
            self.start("kube-apiserver")
            for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
                self.start(name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill everything."""
        self.stop()

    def start(self, name: str) -> None:
        """Start one program; return when it is ready."""
        process = self.processes[name]
        process.start()
        assert process.running is not None
        running = process.running

        def is_ready() -> bool:
            if running.poll() is not None:
                raise NotReadyError(f"{name} ended:\n{process.tail}")
            return self._is_ready(name)

        try:
            wait_for(is_ready, name)
        except NotReadyError as late:
            raise NotReadyError(f"{late}\n{process.tail}") from None

    def kill(self, name: str) -> None:
        """Kill one program by SIGKILL."""
        self.processes[name].kill()

    def await_api(self) -> None:
        """Return once the API server is ready, which takes a while after etcd was killed."""
        wait_for(lambda: self._is_ready("kube-apiserver"), "the API server")

    def stop(self) -> None:
        """Kill all, who asks first, so that none waits for another."""
        for process in reversed(self.processes.values()):
            process.kill()

    def kubeconfig(self, user: str) -> Path:
        """Return a kubeconfig file of a user."""
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        authority = str(self.authority)
        named = {"cluster": "test", "user": user}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self.url, "certificate-authority": authority},
                }
            ],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "test", "context": named}],
            "current-context": "test",
        }
        YAML().dump(config, path)
        path.chmod(0o600)
        return path

    def resident_bytes(self, name: str) -> int:
        """Return how much memory a program holds."""
        import psutil

        running = self.processes[name].running
        assert running is not None
        return int(psutil.Process(running.pid).memory_info().rss)

    def _is_ready(self, name: str) -> bool:
        if name == "etcd":
            return _answers(f"http://127.0.0.1:{self._etcd_port}/health")
        if name == "kube-apiserver":
            return _answers(f"{self.url}/readyz", self.tokens[ADMIN])
        return True

    def _write_tokens(self) -> None:
        groups = {ADMIN: ("system:masters",), **self.users}
        lines = (
            f'{token},{name},{name},"{",".join(groups[name])}"\n'
            for name, token in self.tokens.items()
        )
        path = self.folder / "tokens.csv"
        path.touch(mode=0o600)
        path.write_text("".join(lines))

    def _write_key(self) -> None:
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self.folder / "accounts.key").write_bytes(text)

    def _commands(self) -> dict[str, list[str]]:
        """Return what each program is told; all of it on the loopback."""
        client = f"http://127.0.0.1:{self._etcd_port}"
        as_admin = f"--kubeconfig={self.kubeconfig(ADMIN)}"
        alone = ["--bind-address=127.0.0.1", "--leader-elect=false", as_admin]
        key = self.folder / "accounts.key"
        return {
            "etcd": [
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls=http://127.0.0.1:{free_port()}",
                "--unsafe-no-fsync",
            ],
            "kube-apiserver": [
                f"--etcd-servers={client}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--cert-dir={self.folder / 'certs'}",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--endpoint-reconciler-type=none",
                # Without kubelets nobody makes tokens, and without a node lifecycle controller
                # nobody would take the taint off new nodes.
                "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
                f"--service-account-issuer={self.url}/",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
            ],
            "kube-controller-manager": [
                *alone,
                f"--secure-port={free_port()}",
                f"--controllers={CONTROLLERS}",
                "--kube-api-qps=500",
                "--kube-api-burst=500",
            ],
            "kube-scheduler": [
                *alone,
                f"--secure-port={free_port()}",
                "--kube-api-qps=500",
                "--kube-api-burst=500",
            ],
            "kwok": [as_admin, "--manage-all-nodes=true", f"--config={self.programs / STAGES}"],
        }


def _answers(url: str, token: str = "") -> bool:
    """Tell whether a server says that it is ready."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        # Whether it is alive is asked before its certificate is there.
        return httpx.get(url, headers=headers, verify=False, timeout=2).is_success  # noqa: S501
    except httpx.HTTPError:
        return False


def environment(kubeconfig: Path) -> dict[str, str]:
    """Return the environment of a command that is to see a cluster, and no other."""
    return {**os.environ, "KUBECONFIG": str(kubeconfig)}
