"""The twin's batch side: which machine takes what, who starts next, who is evicted."""

from __future__ import annotations

from typing import Any

from greensched.model import DRAINING, NONE, RECALL
from tests.twin import (
    HOUR_MS,
    LEVELS,
    ONE,
    OVERRUN_MS,
    Clock,
    Job,
    Machine,
    Task,
    some,
)


def devices_without(m: Machine, gone: list[Task], gpu_m: int) -> bool:
    """Say whether machine m's devices take a request once these tasks are gone."""
    free_m = [
        free + sum(min(1000, t.gpu_m) for t in gone if d in t.devices)
        for d, free in enumerate(m.free_gpu_m)
    ]
    if gpu_m < 1000:
        return gpu_m == 0 or any(free >= gpu_m for free in free_m)
    return free_m.count(1000) >= gpu_m // 1000


class Lane:
    """Waiting jobs that want no GPU, or that do; and what is kept free for a blocked head."""

    def __init__(self) -> None:
        """Nothing waits."""
        self.jobs: list[Job] = []
        self.kept_for: Job | None = None
        self.kept_on: Machine | None = None
        self.kept_ms: float = float("inf")


class Batch(Clock):
    """Placement, queues, preemption and eviction."""

    def __init__(self) -> None:
        """Begin with empty queues."""
        super().__init__()
        self.lanes = [Lane(), Lane()]
        self.learnt: dict[tuple[Any, ...], list[int]] = {}
        self.age = 0
        self.cursor = 0
        self.total_evictions = 0
        self.graceful = False  # who is evicted was told before

    # ---- which machine -------------------------------------------------------------------

    def file(self, m: Machine) -> None:
        """Note since when machine m has its level of free capacity: the newest is tried first."""
        cpu_unit = max(1.0, max(o.cpu_m for o in self.machines) / LEVELS)
        gpu_unit = max(1.0, max(o.kind.gpus for o in self.machines) * 1000 / LEVELS)
        for online in (True, False):
            free = m.free_cpu_m(online=online)
            level = min(LEVELS, int(free / cpu_unit))
            if m.kind.gpus:
                level = min(LEVELS, int(self.free_gpu_m(m) / gpu_unit))
            if free <= 0:
                level = -1
            if level != m.filed.get(online, (-1, 0))[0]:
                self.age += 1
                m.filed[online] = (level, self.age)

    def free_gpu_m(self, m: Machine) -> int:
        """Return the GPUs that are free, in sum."""
        return sum(m.free_gpu_m)

    def ranked(self, *, online: bool, gpu: bool) -> list[Machine]:
        """Return the machines with any free CPU in the order in which they are tried."""
        pool = [
            m
            for m in self.machines
            if bool(m.kind.gpus) == gpu and m.free_cpu_m(online=online) > 0
        ]
        match self.setting.weigher:
            case "best-fit":
                return sorted(pool, key=lambda m: (m.filed[online][0], -m.filed[online][1]))
            case "worst-fit":
                return sorted(pool, key=lambda m: (-m.filed[online][0], -m.filed[online][1]))
            case "spread":
                return sorted(pool, key=lambda m: (m.number < self.cursor, m.number))
        return pool

    def find(self, need: Any, *, online: bool, but: Machine | None = None) -> Machine | None:
        """Return the machine that takes a request; without GPUs, those without come first."""
        for gpu in (False, True):
            if need.gpu_m and not gpu:
                continue
            for m in self.ranked(online=online, gpu=gpu):
                if m is not but and m.fits(need, online=online, now_ms=self.now):
                    if self.setting.weigher == "spread":
                        self.cursor = (m.number + 1) % len(self.machines)
                    return m
        return None

    # ---- one job -------------------------------------------------------------------------

    def key(self, job: Job) -> tuple[int, int, int]:
        """Return what the queue is ordered by."""
        first = {"priority": -job.group.priority, "shortest-first": job.estimate_ms}
        return (first.get(self.setting.discipline, 0), job.submit_ms, job.row)

    def wait(self, job: Job, done_ms: int) -> None:
        """Let a job wait, with what is expected of it now."""
        estimate_ms = job.given_ms
        if estimate_ms == NONE and self.setting.discipline in {"easy-backfill", "shortest-first"}:
            seen = self.learnt.get((job.group, job.cpu_m, job.memory_mib, job.gpu_m), [])
            estimate_ms = sum(seen) // len(seen) if seen else HOUR_MS
        job.done_ms, job.estimate_ms = done_ms, max(1, max(1, estimate_ms) - done_ms)

    def queue(self, job: Job) -> None:
        """Put a job into its queue."""
        lane = self.lanes[job.gpu_m > 0]
        lane.jobs = sorted([*lane.jobs, job], key=self.key)

    def start(self, job: Job, but: Machine | None = None) -> bool:
        """Start all tasks of a job, or none."""
        started: list[Task] = []
        before = (self.age, self.cursor, [dict(m.filed) for m in self.machines])
        for _ in range(job.count):
            m = self.find(job, online=False, but=but)
            if m is None:
                for task in started:
                    self.leave(task)
                self.age, self.cursor, filed = before  # as if nothing had been tried
                for machine, levels in zip(self.machines, filed, strict=True):
                    machine.filed = levels
                return False
            devices = m.devices(job.gpu_m) or []
            task = Task(job, m, devices, job.done_ms * ONE, self.now + job.estimate_ms)
            m.take(devices, job.gpu_m)
            m.tasks.insert(0, task)
            job.tasks.append(task)
            started.append(task)
            self.file(m)
        job.start_ms = self.now if job.start_ms == NONE else job.start_ms
        return True

    def leave(self, task: Task) -> None:
        """Take a task off its machine."""
        task.machine.tasks.remove(task)
        task.job.tasks.remove(task)
        task.machine.take(task.devices, -task.gpu_m)

    def finish(self, m: Machine) -> None:
        """End the tasks of machine m that are done."""
        done = [t for t in m.tasks if t.done >= t.job.duration_ms * ONE]
        for task in done:
            self.leave(task)
            if not task.job.tasks:
                job = task.job
                job.end_ms = self.now
                size = (job.group, job.cpu_m, job.memory_mib, job.gpu_m)
                self.learnt.setdefault(size, []).append(job.duration_ms)
        if done:
            self.file(m)
            self.look_again = True
            self.look_for_replicas |= not m.tasks
            self.emptied(m)

    def emptied(self, m: Machine) -> None:
        """Let a machine on which nothing is left go where it was meant to go."""
        if not m.tasks and m.state == DRAINING:
            self.rest_if_empty(m)
        elif not m.tasks and m.lending == RECALL:
            self.warm(m)

    def kept_ms(self, job: Job, done_ms: int) -> int:
        """Return what a job keeps of so much progress."""
        interval_ms = job.group.checkpoint_interval_ms
        interval_ms = min(interval_ms, 1) if self.graceful else interval_ms
        kept = done_ms // interval_ms * interval_ms if interval_ms else 0
        return max(job.done_ms, kept - job.group.checkpoint_cost_ms)

    def ring(self, task: Task) -> list[Task]:
        """Return a job's tasks in the order in which they stop, those beside `task` first."""
        tasks = task.job.tasks
        at = tasks.index(task)
        if not task.gpu_m and self.setting.weigher in {"best-fit", "first-fit"}:
            while at > 0 and tasks[at - 1].machine is task.machine:  # placed as one
                at -= 1
        return tasks[at:] + tasks[:at]

    def evict(self, task: Task) -> None:
        """Stop a job; it waits again with what its checkpoints kept."""
        job, ring = task.job, self.ring(task)
        done = [t.done // ONE for t in ring]
        kept = self.kept_ms(job, min(done))
        ended = (job.count - len(ring)) * job.duration_ms
        job.wasted_ms += sum(done) + ended - kept * job.count
        job.evictions += 1
        self.total_evictions += 1
        for t in ring:
            self.leave(t)
            self.look_for_replicas |= not t.machine.tasks
            self.file(t.machine)
            if t.machine.state == DRAINING:
                self.rest_if_empty(t.machine)
        self.wait(job, kept)
        self.queue(job)
        self.look_again = True

    def evict_cheapest(self, m: Machine) -> bool:
        """Evict what loses least of all its tasks for one here, the newest of equals, if any."""
        tasks = [t for t in m.tasks if t.job.group.evictable]
        if not tasks:
            return False
        here = [sum(t.job is mate.job for mate in m.tasks) for t in tasks]
        lost = [t.done // ONE - self.kept_ms(t.job, t.done // ONE) for t in tasks]
        price = [lost[i] * t.job.count / here[i] for i, t in enumerate(tasks)]
        self.evict(tasks[price.index(min(price))])
        return True

    # ---- who is next ---------------------------------------------------------------------

    def arrive(self, job: Job) -> None:
        """Start a job that arrives, or let it wait; or hold it."""
        if self.hold_back(job):
            return
        self.wait(job, 0)
        lane = self.lanes[job.gpu_m > 0]
        if not lane.jobs:
            started = self.start(job)
        else:
            easy = self.setting.discipline == "easy-backfill"
            started = easy and self.keep_for_head(lane) and self.overtake(lane, job)
        if started:
            return
        self.queue(job)
        self.look_again |= self.setting.discipline in {"priority", "shortest-first"}

    def dispatch(self, lane: Lane) -> None:
        """Start the jobs that may start, in order."""
        while lane.jobs:
            head = lane.jobs[0]
            started = self.start(head)
            if not started and self.setting.discipline == "priority" and head.count == 1:
                started = self.preempt(head) and self.start(head)
            if not started:
                break
            self.unqueue(lane, head)
        else:
            return
        if self.setting.discipline == "easy-backfill" and self.keep_for_head(lane):
            for job in lane.jobs[1:]:
                if self.overtake(lane, job):
                    self.unqueue(lane, job)

    def unqueue(self, lane: Lane, job: Job) -> None:
        """Take a job out of its queue."""
        lane.jobs.remove(job)
        if lane.kept_for is job:
            lane.kept_for = None

    def overtake(self, lane: Lane, job: Job) -> bool:
        """Start a job that does not delay the head."""
        late = self.now + job.estimate_ms > lane.kept_ms
        return self.start(job, lane.kept_on if late else None)

    def keep_for_head(self, lane: Lane) -> bool:
        """Choose a machine and time for the head; say whether others may overtake it."""
        head = lane.jobs[0]
        if head.count > 1:
            return False
        valid = lane.kept_for is head and self.now < lane.kept_ms < float("inf")
        if valid and lane.kept_on is not None:  # a policy may have taken the machine away
            m = lane.kept_on
            valid = (
                m.batch_limit_cpu_m() >= some(head.cpu_m)
                and m.batch_limit_memory_mib() >= head.memory_mib
                and m.may_stay(head, self.now)
            )
        if not valid:
            lane.kept_for, lane.kept_on, lane.kept_ms = head, None, float("inf")
            for gpu in (False, True):
                if head.gpu_m and not gpu:
                    continue
                pool = [
                    m
                    for m in self.machines
                    if bool(m.kind.gpus) == gpu and m.free_cpu_m(online=False) > 0
                ]
                pool.sort(key=lambda m: (-m.filed[False][0], -m.filed[False][1]))
                for m in pool:
                    at_ms = self.room_ms(m, head)
                    if at_ms < lane.kept_ms:
                        lane.kept_on, lane.kept_ms = m, at_ms
        return True

    def room_ms(self, m: Machine, job: Job) -> float:
        """Return when machine m is expected to have room for the job."""
        suits = m.kind.name in job.types and m.kind.site in job.sites
        if not suits or not m.may_stay(job, self.now) or m.batch_limit_cpu_m() < some(job.cpu_m):
            return float("inf")
        if m.batch_limit_memory_mib() < job.memory_mib or m.kind.gpus * 1000 < job.gpu_m:
            return float("inf")

        def end(task: Task) -> int:
            late = task.expected_end_ms <= self.now
            return self.now + OVERRUN_MS if late else task.expected_end_ms

        for at_ms in sorted({self.now, *(end(t) for t in m.tasks)}):
            left = [t for t in m.tasks if end(t) > at_ms]
            gone = [t for t in m.tasks if end(t) <= at_ms]
            cpu_m = m.batch_limit_cpu_m() - sum(t.cpu_m for t in left)
            memory_mib = m.batch_limit_memory_mib() - sum(t.memory_mib for t in left)
            gpu_m = self.free_gpu_m(m) + sum(t.gpu_m for t in gone)
            if cpu_m >= some(job.cpu_m) and memory_mib >= job.memory_mib and gpu_m >= job.gpu_m:
                return at_ms
        return float("inf")

    def preempt(self, job: Job) -> bool:
        """Evict jobs of lower priority from the machine where the fewest must go."""
        best: tuple[int, Machine] | None = None
        for m in self.machines:
            n = self.yielding(m, job)
            if n is not None and (best is None or n < best[0]):
                best = (n, m)
        if best is None:
            return False
        m = best[1]
        while not m.fits(job, online=False, now_ms=self.now):
            lower = [t for t in m.tasks if self.yields(t, job)]
            if not lower:
                break
            self.evict(lower[0])
        return True

    def yields(self, task: Task, job: Job) -> bool:
        """Say whether a task gives way to a job."""
        return task.job.group.evictable and task.job.group.priority < job.group.priority

    def yielding(self, m: Machine, job: Job) -> int | None:
        """Return how many of machine m's newest lower jobs must go to let the job in."""
        suits = m.kind.name in job.types and m.kind.site in job.sites
        if not suits or not m.may_stay(job, self.now):
            return None
        lower = list(dict.fromkeys(t.job for t in m.tasks if self.yields(t, job)))
        for n in range(len(lower) + 1):
            gone = [t for t in m.tasks if t.job in lower[:n]]
            stay = [t for t in m.tasks if t not in gone]
            cpu_m = m.batch_limit_cpu_m() - sum(t.cpu_m for t in stay)
            memory_mib = m.batch_limit_memory_mib() - sum(t.memory_mib for t in stay)
            pods = len(m.serving) + len(stay) + 1
            if (
                cpu_m >= some(job.cpu_m)
                and memory_mib >= job.memory_mib
                and not 0 < m.kind.pods_max < pods
                and devices_without(m, gone, job.gpu_m)
            ):
                return n
        return None

    # ---- what others do ----------------------------------------------------------------------

    def hold_back(self, job: Job) -> bool:
        """Hold a job that arrives, if a policy asks for it."""
        raise NotImplementedError

    def rest_if_empty(self, m: Machine) -> None:
        """Let a drained machine rest."""
        raise NotImplementedError

    def warm(self, m: Machine) -> None:
        """Let a machine's replicas come back."""
        raise NotImplementedError
