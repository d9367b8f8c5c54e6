"""What users have of each format, in small: files and what must be said of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.readers import public_cases as cases
from tests.readers.builders import POD_HEADER
from tests.readers.kubernetes_cases import shop
from tests.readers.prometheus_cases import shop as measured

if TYPE_CHECKING:
    from pathlib import Path

SWF_TAIL = "4 2 -1 4 60 2048 1 1 1 -1 -1 -1 -1 -1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What a user has of one format, and what must be said of it."""

    files: dict[str, tuple[str, ...]]
    options: tuple[str, ...] = ()
    services: int = 0
    jobs: int = 0


WHOLE = ("--cores", "32", "--memory", "64GiB")  # what 1.0 is
PUBLISHED = {
    "google-2011": Files(
        files=cases.GOOGLE_2011, options=("--reader", "google-2011", *WHOLE), jobs=3
    ),
    "google-2019": Files(
        files=cases.GOOGLE_2019, options=("--reader", "google-2019", *WHOLE), jobs=1
    ),
    "azure-2017": Files(files=cases.AZURE_2017, options=("--reader", "azure-2017"), jobs=3),
    "azure-2019": Files(
        files=cases.AZURE_2019, options=("--reader", "azure-2019", *WHOLE), jobs=2
    ),
    "alibaba-2017": Files(
        files=cases.ALIBABA_2017,
        options=("--reader", "alibaba-2017", "--cores", "1", "--memory", "64GiB"),
        jobs=1,
    ),
    "alibaba-2018": Files(
        files=cases.ALIBABA_2018,
        options=("--reader", "alibaba-2018", "--memory", "64GiB"),
        services=2,
        jobs=2,
    ),
}
FORMATS = {
    **PUBLISHED,
    "canonical": Files(
        files={
            "services.csv": (
                "service,time_s,load_cpu_m,replica_cpu_m,replica_memory_mib",
                *(f"w,{600 * i},{400 + 100 * i},1000,64" for i in range(12)),
            ),
            "jobs.csv": ("job,submit_s,duration_s,cpu_m", "a,0,600,2000", "b,900,600,1000"),
            "machines.csv": ("machine,count,cpu_m,memory_mib", "m,4,32000,65536"),
        },
        services=1,
        jobs=2,
    ),
    "openb": Files(
        files={
            "pods.csv": (
                POD_HEADER,
                "p0,4000,64,1,500,,LS,Running,0,9,0",
                *(f"p{i},1000,64,0,0,,BE,Running,0,{900 + i},{i}" for i in range(1, 9)),
            ),
            "node_list.csv": (
                "sn,cpu_milli,memory_mib,gpu,model",
                *(f"n{i},32000,9000,2,T4" for i in range(3)),
            ),
        },
        services=1,
        jobs=2_688,  # 4 cores of one-core jobs of 900 s, drawn
    ),
    "jobs": Files(
        files={"list.csv": ("arrival_time,length,cpus", "0,1,2", "1.5,1,70", "3,1,2")},
        options=("--time-unit", "h"),
        jobs=3,
    ),
    "kubernetes": Files(
        files={"cluster.json": (json.dumps({"kind": "List", "items": shop()}),)},
        services=2,
        jobs=2,
    ),
    "opendc": Files(
        files={
            "tasks.csv": (
                "id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity",
                "1,1664000000000,60000,2,4000,100",
                "2,1664007200000,60000,2,4000,100",
            ),
        },
        jobs=2,
    ),
    "prometheus": Files(
        files={f"{name}.json": (json.dumps(one),) for name, one in measured().items()},
        services=2,
        jobs=1,
    ),
    "sacct": Files(
        files={
            "slurm.txt": (
                "JobID|JobName|Partition|Submit|Start|End|AllocCPUS|NNodes",
                *(
                    f"{i}|etl|cpu|2026-03-02T0{i}:00:00|2026-03-02T0{i}:05:00"
                    f"|2026-03-02T0{i}:50:00|8|1"
                    for i in range(1, 5)
                ),
            ),
        },
        options=("--time-zone", "Europe/Berlin"),
        jobs=4,
    ),
    "series": Files(
        files={"rate.csv": ("rate", *(str(20 + i % 7) for i in range(24)))},
        options=(
            *("--reader", "series", "--step", "300s", "--column", "rate"),
            *("--unit", "requests", "--gpu-s-per-request", "0.5"),
        ),
        services=1,
    ),
    "swf": Files(
        files={
            "log.swf": (
                "; MaxProcs: 8",
                *(f"{i} {600 * i} -1 900 {SWF_TAIL}" for i in range(1, 9)),
            ),
        },
        jobs=8,
    ),
}


def written(name: str, folder: Path) -> tuple[str, ...]:
    """Write the files of a format; return the words that name and explain them."""
    about = FORMATS[name]
    for file, lines in about.files.items():
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return (*about.files, *about.options)
