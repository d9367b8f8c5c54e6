"""The real traces, read in place, give the counts that are published with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from greensched.readers import jobs, openb, opendc, series, swf
from greensched.readers.options import ReadOptions

if TYPE_CHECKING:
    from pathlib import Path

    from greensched.model import Trace

pytestmark = pytest.mark.data


def rows(trace: Trace) -> tuple[int, int, int]:
    """Return the rows of jobs, services and machines."""
    kinds = (trace.jobs, trace.services, trace.machines)
    services, machines = kinds[1:]
    return (len(trace.jobs) if trace.jobs else 0, len(services) if services else 0,
            len(machines) if machines else 0)  # fmt: skip


def test_openb(data_folder: Path) -> None:
    """8,152 pods: 4,754 online in 105 services, 2,957 of 3,398 BE pods ran, on 1,523 nodes."""
    folder = data_folder / "workload" / "openb"
    files = [folder / "openb_pod_list_default.csv", folder / "openb_node_list_all_node.csv"]
    trace = openb.read(files, ReadOptions())
    assert (2_957, 105, 1_523) == rows(trace)
    assert trace.services is not None
    assert 4_647 + 100 + 7 == trace.services.replicas.sum()
    assert any("441 BE pods never ran" in f for f in trace.findings)
    assert any("456 online pods never ran" in f for f in trace.findings)
    assert not trace.timeline


@pytest.mark.parametrize(
    ("name", "count"), [("pai", 99_998), ("azure", 99_988), ("mustang-trace-2015", 100_000)]
)
def test_job_lists(data_folder: Path, name: str, count: int) -> None:
    """The three lists of about 100,000 jobs span one year, in hours."""
    path = data_folder / "workload" / "gaia" / f"{name}-100k.csv"
    trace = jobs.read([path], ReadOptions(time_unit="h"))
    assert (count, 0, 0) == rows(trace)
    assert trace.jobs is not None
    assert 8_755 * 3_600_000 < trace.jobs.submit_ms.max() < 8_760 * 3_600_000


def test_surf_week(data_folder: Path) -> None:
    """6,295 tasks of 16 cores; their steps end at their duration and hold the recorded work."""
    trace = opendc.read([data_folder / "workload" / "opendc" / "surf_week"], ReadOptions())
    found = trace.jobs
    assert found is not None
    assert (6_295, 0, 0) == rows(trace)
    assert "2022-10-06T22:00:00Z" == trace.zero_utc
    assert {16_000} == set(found.cpu_m.tolist())
    assert 1_166_906 == len(found.use_cpu_m)
    np.testing.assert_array_equal(found.duration_ms, found.use_until_ms[found.use_offsets[1:] - 1])
    assert 604_800_000 == (found.submit_ms + found.duration_ms).max()


@pytest.mark.parametrize(
    ("name", "options", "count", "machines"),
    [
        ("LCG.swf.gz", ReadOptions(on_bad="drop"), 187_520, 24_515),
        ("LCG.swf.gz", ReadOptions(allow_instant=True), 188_041, 24_515),
        ("NASA-iPSC-1993-3.1-cln.swf.zip", ReadOptions(allow_instant=True), 18_239, 128),
        ("hpc2n.swf", ReadOptions(), 3_145, 240),
        ("lublin_256.swf", ReadOptions(), 10_000, 256),
    ],
)
def test_parallel_workloads(
    data_folder: Path, name: str, options: ReadOptions, count: int, machines: int
) -> None:
    """Logs of the archive give the jobs that their headers count, plain, gzipped and zipped."""
    trace = swf.read([data_folder / "workload" / "swf" / name], options)
    assert count == rows(trace)[0]
    assert trace.machines is not None
    assert machines == trace.machines.count.sum()


def test_alibaba_2018_tide(data_folder: Path) -> None:
    """The mean of the cluster is 40.2 % of its CPU, with hourly means from 29.5 to 51.7 %."""
    path = data_folder / "workload" / "other" / "alibaba2018_machine_usage_300s.csv"
    options = ReadOptions(column="cpu_util_percent", unit="percent", step_ms=300_000,
                          cpu_m=100_000_000)  # fmt: skip
    services = series.read([path], options).services
    assert services is not None
    load = services.load_cpu_m[0] / 1e6
    assert 40.2 == pytest.approx(load.mean(), abs=0.05)
    assert (16.1, 79.1) == pytest.approx((load.min(), load.max()), abs=0.05)


def test_inference_requests(data_folder: Path) -> None:
    """The request rates of 107 containers and one stream without a name, also summed by kind."""
    path = data_folder / "workload" / "alibaba-genai" / "qps.tar.gz"
    options = ReadOptions(
        column="value", time_column="timestamp_anon", time_unit="s", unit="requests",
        step_ms=57_000, gpu_s_per_request=1.0, replica_cpu_m=1_000_000,
    )  # fmt: skip
    from dataclasses import replace

    each = series.read([path], replace(options, group_by="container_ip")).services
    kinds = series.read(
        [path], replace(options, group_by="request_type", sum_over="container_ip")
    ).services
    assert each is not None
    assert kinds is not None
    assert (108, 1_410) == each.load_cpu_m.shape
    assert ("API Requests", "Generative Requests") == kinds.names
    np.testing.assert_array_equal(each.load_cpu_m.sum(axis=0), kinds.load_cpu_m.sum(axis=0))
    assert 1390.095 == pytest.approx(kinds.load_cpu_m[0].sum() / 1e6, rel=1e-9)
    assert 2136.36 == pytest.approx(kinds.load_cpu_m[1].sum() / 1e6, rel=1e-9)
