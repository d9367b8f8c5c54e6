"""Rows of published traces, made by hand after their schemas."""

from __future__ import annotations

from typing import TypeAlias

Tables: TypeAlias = dict[str, tuple[str, ...]]  # file -> its lines

S = 1_000_000  # of Google's microseconds
AFTER = 2**63 - 1


def task_2011(at_s: float, task: int, kind: int, cpus: str = "0.25", **more: str) -> str:
    """Return an event of a task of job 7 (clusterdata-2011-2, task_events)."""
    time = AFTER if at_s < 0 else round(at_s * S)
    return (
        f"{time},,7,{task},1,{kind},user,{more.get('sched', '0')},{more.get('priority', '2')},"
        f"{cpus},{more.get('memory', '0.125')},0.001,0"
    )


GOOGLE_2011: Tables = {
    "task_events.csv": (
        *(task_2011(600, i, 0) for i in range(4)),
        task_2011(610, 0, 1),
        task_2011(710, 0, 2),  # evicted, and run again
        task_2011(720, 0, 1),
        task_2011(820, 0, 4),
        task_2011(650, 1, 1, cpus="0.5"),
        task_2011(900, 2, 1),
        task_2011(-1, 2, 4),  # after the trace
        task_2011(1_000, 3, 5),  # killed before it ran
        task_2011(1_000, 0, 7),
    ),
    "machine_events.csv": ("0,1,0,p,0.5,0.25", "0,2,0,p,1,1", "5000000,2,2,p,1,0.5"),
}
HEADER_2019 = (
    "time,type,collection_id,scheduling_class,missing_type,collection_type,priority,"
    "alloc_collection_id,instance_index,machine_id,resource_request.cpus,resource_request.memory"
)
GOOGLE_2019: Tables = {
    "instance_events-0.csv": (
        HEADER_2019,
        "600000000,0,9,3,0,0,200,0,0,0,0.1,0.05",
        "610000000,3,9,3,0,0,200,0,0,5,0.1,0.05",
        "670000000,6,9,3,0,0,200,0,0,5,0.1,0.05",
    ),
    "instance_events-1.csv": (
        HEADER_2019,
        "600000000,3,11,0,0,1,25,0,0,5,0.5,0.5",  # an alloc set
    ),
    "machine_events.csv": (
        "time,machine_id,type,switch_id,capacity.cpus,capacity.memory,platform_id",
        "0,5,1,s,0.5,0.5,p",
    ),
}
AZURE_2017: Tables = {
    "vmtable.csv": (
        "a,s,d,0,3600,90,25.5,60,Delay-insensitive,4,7",
        "b,s,d,600,7200,90,50,60,Interactive,1,1.75",
        "c,s,d,900,7200,1,0.5,1,Unknown,2,3.5",
    )
}
AZURE_2019: Tables = {
    "vmtable.csv": (
        "a,s,d,0,3600,90,25,60,Delay-insensitive,4,8",
        "b,s,d,600,7200,90,50,60,Interactive,>24,>64",
    )
}
ALIBABA_2017: Tables = {
    "batch_task.csv": (
        "100,400,1,1,3,Terminated,50,0.01",
        "100,500,1,2,1,Failed,50,0.01",
        "200,700,2,1,2,Terminated,,",
    ),
    "server_event.csv": ("0,1,add,,64,0.69,1", "0,2,add,,64,0.69,1", "9,1,softerror,disk,,,"),
}
ALIBABA_2018: Tables = {
    "batch_task.csv": (
        "M1,2,j_1,1,Terminated,100,400,100.0,0.5",
        "R2_1,1,j_1,1,Terminated,400,460,50.0,0.3",
        "M1,1,j_2,1,Waiting,0,0,100.0,0.5",
    ),
    "machine_meta.csv": ("m_1,0,1,a,96,100,USING", "m_1,9,1,a,96,100,USING"),
    "container_meta.csv": (
        "c_1,m_1,0,app_1,started,400,800,1.56",
        "c_2,m_1,0,app_1,started,400,800,1.56",
        "c_3,m_1,0,app_2,started,800,800,3.13",
    ),
    "container_usage.csv": (
        *(
            f"c_{i},m_1,{t},{10 * i + t // 300},50,,,,,,"
            for i in (1, 2, 3)
            for t in (0, 150, 300, 600)
        ),
    ),
}
