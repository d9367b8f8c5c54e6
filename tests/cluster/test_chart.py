"""The chart and the kustomize bases are what the guide says, and a real API server takes them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from tests.cluster.api import JOBS, job
from tests.cluster.binaries import promtool
from tests.cluster.control_plane import wait_for
from tests.cluster.manifests import BASES, rendered
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.api import Api, Json
    from tests.cluster.conftest import Command

CHART = "k8s/chart"
EVERYTHING = (
    "--set=scope=namespace,dryRun=false,admission.enabled=true",
    "--set=monitoring.serviceMonitor=true,monitoring.prometheusRule=true",
    "--set=monitoring.dashboard=true,monitoring.labels.a=b",
    "--set=prometheus=http://prometheus.monitoring:9090",
    "--set=sources.gb={uk-carbon-intensity,constant:200}",
    "--set=secretFiles.TOKEN.secret=a,secretFiles.TOKEN.key=b",
    "--set=nodeSelector.a=b,priorityClassName=high,imagePullSecrets[0].name=pull",
    "--set=tolerations[0].operator=Exists,storage.storageClassName=fast,podAnnotations.a=b",
    "--set=extraArgs={-v}",
)


def _parts(text: str) -> list[Json]:
    return [part for part in YAML(typ="safe").load_all(text) if part]


@pytest.mark.parametrize("values", [(), EVERYTHING])
def test_the_chart_is_clean(helm: Command, values: tuple[str, ...]) -> None:
    """Helm finds nothing to say about the chart, with no value set and with all of them."""
    told = helm("lint", "--strict", CHART, "--kube-version=1.36", *values)
    assert "1 chart(s) linted, 0 chart(s) failed" in told


def test_values_reach_what_runs(helm: Command) -> None:
    """Sources, secrets and going live are words of the controller's own command."""
    text = helm("template", "greensched", CHART, "--kube-version=1.36", *EVERYTHING)
    (one,) = (p for p in _parts(text) if p["kind"] == "StatefulSet")
    container = one["spec"]["template"]["spec"]["containers"][0]
    assert {"--source=gb=uk-carbon-intensity", "--source=gb=constant:200"} <= {*container["args"]}
    assert "--prometheus=http://prometheus.monitoring:9090" in container["args"]
    assert "--dry-run" not in container["args"]
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert "/etc/greensched/secrets/TOKEN" == env["TOKEN_FILE"]
    (volume,) = (m["mountPath"] for m in container["volumeMounts"] if m["name"] == "state")
    assert all(env[name].startswith(volume) for name in ("HOME", "XDG_CONFIG_HOME"))


def test_a_value_that_is_none_is_refused(helm: Command) -> None:
    """A misspelt value or an impossible one is refused, not left aside."""
    told = helm("lint", CHART, "--set=dryrun=false", fails=True) + helm(
        "template", CHART, "--set=scope=all", fails=True
    )
    assert "dryrun" in told
    assert "scope" in told


def test_admission_needs_its_version(helm: Command) -> None:
    """Where the API server is too old for admission policies, the chart says so."""
    words = ("template", "a", CHART, "--set=admission.enabled=true", "--kube-version=1.35.2")
    assert "needs Kubernetes 1.36" in helm(*words, fails=True)


@pytest.mark.parametrize("folder", BASES)
def test_bases_are_of_the_chart(helm: Command, folder: str) -> None:
    """The kustomize bases hold what the chart does, so neither has what the other lacks."""
    assert rendered(BASES[folder]) == (ROOT / folder / "greensched.yaml").read_text()


@pytest.mark.parametrize("folder", BASES)
def test_the_server_takes_a_base(kubectl: Command, folder: str) -> None:
    """Every object of a base is valid to the server, which is told to change nothing."""
    kubectl("apply", "--server-side", "-f", "k8s/base/namespace.yaml")
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", folder)
    told = kubectl(*words)
    assert "statefulset.apps/greensched serverside-applied" in told
    assert "cronjob.batch/greensched-release-overdue serverside-applied" in told


OVERLAY = """\
namespace: team-a
nameSuffix: -team-a
resources: [../namespaced]
"""


def test_a_user_names_the_namespace(kubectl: Command, tmp_path: Path) -> None:
    """An overlay of three lines moves the namespaced base: rights, accounts, what is watched."""
    folder = tmp_path / "k8s" / "team-a"
    shutil.copytree(ROOT / "k8s", folder.parent)
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(OVERLAY)
    kubectl("create", "namespace", "team-a")
    kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", str(folder))
    parts = _parts(kubectl("kustomize", str(folder)))
    whole = [p for p in parts if p["kind"] != "CustomResourceDefinition"]
    assert all(p["metadata"]["name"].endswith("-team-a") for p in whole)
    assert {"team-a", None} == {p["metadata"].get("namespace") for p in whole}
    subjects = [s for p in whole for s in p.get("subjects", ())]
    accounts = {p["metadata"]["name"] for p in whole if p["kind"] == "ServiceAccount"}
    assert {("team-a", name) for name in accounts} == {
        (s["namespace"], s["name"]) for s in subjects
    }
    pods = [p["spec"]["template"]["spec"] for p in whole if p["kind"] == "StatefulSet"]
    jobs = [p["spec"]["jobTemplate"] for p in whole if p["kind"] == "CronJob"]
    pods += [j["spec"]["template"]["spec"] for j in jobs]
    assert 2 == len(pods)
    for one in (pod["containers"][0] for pod in pods):
        env = {e["name"]: e.get("valueFrom") for e in one["env"]}
        assert {"fieldRef": {"fieldPath": "metadata.namespace"}} == env["POD_NAMESPACE"]
        assert ["--namespace=$(POD_NAMESPACE)"] == [
            a for a in one["args"] if a.startswith("--namespace")
        ]


def test_install_upgrade_uninstall(helm: Command, kubectl: Command, admin: Api) -> None:
    """A release can be installed, upgraded and uninstalled; its hooks' Jobs run, and all goes."""
    space = "--namespace=helm-test"
    name = "install-test"
    helm("install", name, CHART, space, "--create-namespace", "--skip-crds")
    helm("upgrade", name, CHART, space, "--set=dryRun=false,replicas=1")
    path = f"/apis/apps/v1/namespaces/helm-test/statefulsets/{name}"
    assert 1 == admin.get(path)["spec"]["replicas"]
    helm("uninstall", name, space, "--timeout=60s")
    kinds = "all,sa,roles,rolebindings,clusterroles,clusterrolebindings"

    def left() -> list[str]:
        every = kubectl("get", kinds, "-n", "helm-test", "-o", "name").split()
        return [one for one in every if name in one]

    wait_for(lambda: not left(), "the garbage collector has taken a run of the CronJob too")


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "--lint-fatal", f"{CHART}/files/alerts.yaml"),
        ("test", "rules", "tests/cluster/alerts.yaml"),
    ],
)
def test_alerts_are_valid(words: tuple[str, ...]) -> None:
    """Prometheus's own checker takes the alert rules; each fires when it should."""
    done = subprocess.run(
        [promtool(), *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.fixture
def admission(helm: Command, kubectl: Command, plane: object) -> None:
    """Install the admission policy alone."""
    if "1.36" not in kubectl("version", "-o", "yaml"):
        pytest.xfail("MutatingAdmissionPolicy is of 1.36 and newer")
    words = ("--set=admission.enabled=true", "--show-only=templates/admission.yaml")
    text = helm("template", "greensched", CHART, "--kube-version=1.36", *words)
    kubectl("apply", "--server-side", "-f", "-", text=text)


def test_jobs_are_suspended_at_their_creation(admission: None, admin: Api, space: str) -> None:
    """A Job with the label comes out suspended, one that is not ours or is to run now does not."""
    path = JOBS.format(space)

    def comes_out(name: str, **changes: Json) -> bool:
        body = job(name, suspend=False)
        body["metadata"] |= changes.get("metadata", {})
        body["spec"] |= changes.get("spec", {})
        return bool(admin.create(path, body)["spec"].get("suspend"))

    tries = iter(range(1_000))
    wait_for(lambda: comes_out(f"try-{next(tries)}"), "the admission policy is at work")
    owner = {"apiVersion": "batch/v1", "name": "a", "uid": "b", "controller": True}
    label = {"greensched.io/defer": "true"}
    assert comes_out("plain")
    assert comes_out("of-a-cronjob", metadata={"ownerReferences": [{**owner, "kind": "CronJob"}]})
    assert not comes_out("of-a-set", metadata={"ownerReferences": [{**owner, "kind": "JobSet"}]})
    assert not comes_out("unlabelled", metadata={"labels": {}})
    assert not comes_out("managed", spec={"managedBy": "example.org/other"})
    queued = {**label, "kueue.x-k8s.io/queue-name": "main"}
    assert not comes_out("queued", metadata={"labels": queued})
    now = {"greensched.io/run-now": "true"}
    assert not comes_out("now", metadata={"annotations": now})
