"""What each format means: canonical, openb, OpenDC, SWF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greensched.errors import DataError
from greensched.readers import canonical, openb, opendc, swf
from greensched.readers.options import ReadOptions
from tests.readers.builders import POD_HEADER, parquet, refusal, write

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib"
TASKS = "id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity"
SWF_TAIL = "-1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1"  # after requested time


def test_canonical_folder_has_all_kinds(tmp_path: Path) -> None:
    """A folder stands for the services, jobs and machines in it; other files do not count."""
    write(tmp_path, "services.csv", SERVICES, "w,0,10,500,64", "w,300,20,500,64")
    write(tmp_path, "machines.csv", "machine,count,cpu_m,memory_mib,gpus,gpu_model",
          "m,3,1000,64,2,T4")  # fmt: skip
    parquet(
        tmp_path, "jobs.parquet", "SELECT 7 AS job, 1 AS submit_s, 2 AS duration_s, 3 AS cpu_m"
    )
    write(tmp_path, "notes.csv", "what", "ever")
    trace = canonical.read([tmp_path], ReadOptions(synthetic=True))
    assert trace.services is not None
    assert trace.machines is not None
    assert trace.jobs is not None
    assert trace.jobs.ids is not None
    assert (300_000, [[10, 20]]) == (trace.services.step_ms, trace.services.load_cpu_m.tolist())
    assert ([3], [2], ("T4",)) == (
        trace.machines.count.tolist(), trace.machines.gpus.tolist(), trace.machines.gpu_models
    )  # fmt: skip
    assert (["7"], True) == (list(trace.jobs.ids), trace.synthetic)


def test_canonical_attributes_of_services(tmp_path: Path) -> None:
    """Optional columns of services are kept; an unknown service time is 50 ms, flagged assumed."""
    header = SERVICES + ",replicas,replicas_max,startup_s,service_time_ms"
    path = write(tmp_path, "s.csv", header, "a,0,1,5,6,2,9,30,12.5", "b,0,1,5,6,,,,",
                 "a,60,1,5,6,2,9,30,12.5", "b,60,1,5,6,,,,")  # fmt: skip
    services = canonical.read([path], ReadOptions()).services
    assert services is not None
    assert [2, -1] == services.replicas.tolist()
    assert [9, -1] == services.replicas_max.tolist()
    assert [1, 1] == services.replicas_min.tolist()
    assert [30_000, 60_000] == services.startup_ms.tolist()
    assert [12.5, 50.0] == services.service_time_ms.tolist()
    assert [False, True] == services.service_time_assumed.tolist()


def test_canonical_attribute_that_changes_is_refused(tmp_path: Path) -> None:
    """An attribute of a service that is not the same in all its rows is refused."""
    path = write(tmp_path, "s.csv", SERVICES, "a,0,1,5,6", "a,60,1,7,6")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "s.csv service a: replica_cpu_m is not the same in all rows" in said


def test_canonical_gap_needs_a_fill(tmp_path: Path) -> None:
    """A missing step is refused unless a fill is named, and the fill is told in the trace."""
    path = write(tmp_path, "s.csv", SERVICES, "a,0,5,5,6", "a,60,7,5,6", "a,180,9,5,6")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "1 of 4 values are missing, the first of 'a', step 2" in said
    for fill, expected in (("hold", [[5, 7, 7, 9]]), ("zero", [[5, 7, 0, 9]])):
        trace = canonical.read([path], ReadOptions(fill=fill))  # type: ignore[arg-type]
        assert trace.services is not None
        assert expected == trace.services.load_cpu_m.tolist()
        assert any(f"filled: {fill}" in f for f in trace.findings)


def test_canonical_times_off_the_grid_are_refused(tmp_path: Path) -> None:
    """Times that are on no uniform grid are refused, not moved."""
    path = write(tmp_path, "s.csv", SERVICES, "a,0,5,5,6", "a,60,7,5,6", "a,130,9,5,6")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "1 time not on the uniform grid of 60,000 ms" in said


def test_canonical_classes_of_jobs(tmp_path: Path) -> None:
    """Jobs with equal class columns share one class; ties are sorted by id."""
    header = "job,submit_s,duration_s,cpu_m,class,priority,deferrable,max_delay_s,tasks,gpu_m"
    path = write(tmp_path, "j.csv", header, "b,0,1,1,slow,-1,true,3600,2,2000",
                 "a,0,1,1,,,,,,", "c,0,1,1,slow,-1,true,3600,1,300")  # fmt: skip
    jobs = canonical.read([path], ReadOptions()).jobs
    assert jobs is not None
    assert jobs.ids is not None
    assert ["a", "b", "c"] == list(jobs.ids)
    named = [jobs.classes[i] for i in jobs.job_class]
    assert ["batch", "slow", "slow"] == [c.name for c in named]
    assert [(0, False, -1), (-1, True, 3_600_000)] == [
        (c.priority, c.deferrable, c.max_delay_ms) for c in named[:2]
    ]
    assert ([1, 2, 1], [0, 2000, 300]) == (jobs.tasks.tolist(), jobs.gpu_m.tolist())


def test_gpus_are_a_fraction_or_whole(tmp_path: Path) -> None:
    """1.5 GPUs fit no device and no set of devices: refused."""
    path = write(tmp_path, "j.csv", "job,submit_s,duration_s,cpu_m,gpu_m", "a,0,1,1,1500")
    said = refusal(lambda: canonical.read([path], ReadOptions()), DataError)
    assert "more than one GPU, but not a whole number of them" in said


def test_openb_pods_are_services_and_jobs(tmp_path: Path) -> None:
    """Online pods of one request are one service, BE pods that ran are jobs, no timeline."""
    pods = write(
        tmp_path, "pods.csv", POD_HEADER,
        "p0,4000,64,1,500,,LS,Running,0,9,0", "p1,4000,64,1,500,,Burstable,Pending,0,9,",
        "p2,8000,64,2,1000,,Guaranteed,Running,0,9,0",
        "p3,1000,32,4,1000,,BE,Failed,5,20,7", "p4,1000,32,0,0,,BE,Pending,5,20,",
    )  # fmt: skip
    nodes = write(tmp_path, "nodes.csv", "sn,cpu_milli,memory_mib,gpu,model", "n0,96000,4096,8,G2",
                  "n1,96000,4096,0,")  # fmt: skip
    trace = openb.read([pods, nodes], ReadOptions())
    assert trace.services is not None
    assert trace.jobs is not None
    assert trace.machines is not None
    assert not trace.timeline
    assert ([2, 1], [500, 2000]) == (
        trace.services.replicas.tolist(), trace.services.replica_gpu_m.tolist()
    )  # fmt: skip
    assert [[8000], [8000]] == trace.services.load_cpu_m.tolist()
    assert ([5_000], [13_000], [4000]) == (
        trace.jobs.submit_ms.tolist(), trace.jobs.duration_ms.tolist(), trace.jobs.gpu_m.tolist()
    )  # fmt: skip
    assert ("G2", "") == trace.machines.gpu_models
    assert "pods.csv: 1 BE pods never ran, not among the jobs" in trace.findings
    assert "pods.csv: 1 online pods never ran, kept: they ask for capacity" in trace.findings


def test_openb_unknown_qos_is_refused(tmp_path: Path) -> None:
    """A class of pods that is not known is refused, never put with another."""
    path = write(tmp_path, "pods.csv", POD_HEADER, "p,1000,64,0,0,,Odd,Running,0,4,1")
    said = refusal(lambda: openb.read([path], ReadOptions()), DataError)
    assert "row 1: unknown qos ('Odd')" in said


def opendc_files(folder: Path, *fragments: str) -> list[Path]:
    """Write two tasks of 90 s on 2 cores of 2,000 MHz, and fragments."""
    tasks = write(folder, "tasks.csv", TASKS, "7,1001000,90000,2,4000,1048576",
                  "5,1000000,90000,2,4000,0")  # fmt: skip
    return [tasks, write(folder, "fragments.csv", "id,duration,cpu_usage", *fragments)]


def test_opendc_fragments_become_steps_of_use(tmp_path: Path) -> None:
    """Equal fragments in a row are one step; MHz become millicores of the task's own cores."""
    files = opendc_files(tmp_path, "5,30000,1000", "5,30000,1000", "7,30000,0", "7,60000,4000",
                         "5,30000,4000")  # fmt: skip
    trace = opendc.read(files, ReadOptions())
    jobs = trace.jobs
    assert jobs is not None
    assert jobs.ids is not None
    assert ["5", "7"] == list(jobs.ids)
    assert ([0, 1_000], "1970-01-01T00:16:40Z") == (jobs.submit_ms.tolist(), trace.zero_utc)
    assert [0, 2, 4] == jobs.use_offsets.tolist()
    assert [60_000, 90_000, 30_000, 90_000] == jobs.use_until_ms.tolist()
    assert [500, 2000, 0, 2000] == jobs.use_cpu_m.tolist()
    assert [0, 1_000_000] == jobs.memory_mib.tolist()


def test_opendc_fragments_must_add_up(tmp_path: Path) -> None:
    """Tasks whose fragments miss their duration, and fragments of no task, are refused."""
    files = opendc_files(tmp_path, "5,90000,1000", "7,30000,0", "9,30000,0", "5,0,1")
    said = refusal(lambda: opendc.read(files, ReadOptions()), DataError)
    assert "tasks.csv row 1: the fragments do not add up to the duration ('7')" in said
    assert "fragments.csv row 3: fragment of no task in the tasks file ('9')" in said
    dropped = opendc.read(files, ReadOptions(on_bad="drop"))
    assert dropped.jobs is not None
    assert dropped.jobs.ids is not None
    assert ["5"] == list(dropped.jobs.ids)


def test_opendc_use_in_the_wrong_unit_is_refused(tmp_path: Path) -> None:
    """Use far above the capacity is a mistake of units; a little above is cut and counted."""
    files = opendc_files(tmp_path, "5,90000,9000", "7,90000,0")
    assert "not in MHz?" in refusal(lambda: opendc.read(files, ReadOptions()), DataError)
    trace = opendc.read(opendc_files(tmp_path, "5,90000,4100", "7,90000,0"), ReadOptions())
    assert trace.jobs is not None
    assert [2000, 0] == trace.jobs.use_cpu_m.tolist()
    assert "1 fragments above their task's capacity, cut to it" in trace.findings


def test_opendc_deferrable_tasks_have_a_class(tmp_path: Path) -> None:
    """Tasks that may wait are of the class `deferrable`, with their deadline from trace zero."""
    path = write(tmp_path, "tasks.csv", TASKS + ",deferrable,deadline",
                 "1,1000,500,1,100,0,true,9000", "2,2000,500,1,100,0,false,-1")  # fmt: skip
    jobs = opendc.read([path], ReadOptions()).jobs
    assert jobs is not None
    assert ["deferrable", "batch"] == [jobs.classes[i].name for i in jobs.job_class]
    assert [8000, -1] == jobs.deadline_ms.tolist()


def test_swf_job_is_a_gang_of_processors(tmp_path: Path) -> None:
    """Processors become tasks of a core, requested time the estimate, the header the machines."""
    path = write(
        tmp_path, "log.swf", ";  UnixStartTime: 3600", "; MaxNodes: 4", "; MaxProcs: 8", ";",
        "1 10 -1 60 4 -1 2048 -1 90 -1 1 -1 -1 -1 -1 -1 -1 -1", "",
        "2 20 -1 1.5 -1 -1 -1 3 -1 1025 1 -1 -1 -1 -1 -1 -1 -1",
        "3 30 -1 -1 2 -1 -1 -1 -1 -1 5 -1 -1 -1 -1 -1 -1 -1",
    )  # fmt: skip
    trace = swf.read([path], ReadOptions())
    jobs, machines = trace.jobs, trace.machines
    assert jobs is not None
    assert machines is not None
    assert ([10_000, 20_000], [60_000, 1_500]) == (
        jobs.submit_ms.tolist(), jobs.duration_ms.tolist()
    )  # fmt: skip
    assert ([4, 3], [1000, 1000], [2, 2]) == (
        jobs.tasks.tolist(), jobs.cpu_m.tolist(), jobs.memory_mib.tolist()
    )  # fmt: skip
    assert [90_000, -1] == jobs.estimate_ms.tolist()
    assert ([4], [2000]) == (machines.count.tolist(), machines.cpu_m.tolist())
    assert "1970-01-01T01:00:00Z" == trace.zero_utc
    assert "log.swf: 1 job without a run time left out" in trace.findings


def test_swf_unknown_processors_are_refused(tmp_path: Path) -> None:
    """A job that ran on an unknown number of processors cannot be replayed: refused."""
    path = write(tmp_path, "log.swf", f"1 10 -1 60 -1 -1 -1 -1 90 -1 {SWF_TAIL[9:]}")
    said = refusal(lambda: swf.read([path], ReadOptions()), DataError)
    assert "row 1: number of processors not known" in said


def test_swf_header_that_is_no_number_is_refused(tmp_path: Path) -> None:
    """A header value that should be a whole number and is not is refused."""
    path = write(tmp_path, "log.swf", "; MaxProcs: many", "; ")
    said = refusal(lambda: swf.read([path], ReadOptions()), DataError)
    assert "header: 'many' is no whole number" in said
