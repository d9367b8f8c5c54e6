"""Names that users and the cluster see: labels, annotations, kinds."""

from __future__ import annotations

from typing import Final

GROUP: Final = "greensched.io"
VERSION: Final = "v1alpha1"
PREFIX: Final = f"{GROUP}/"
FIELD_MANAGER: Final = "greensched"

DEFER_LABEL: Final = f"{GROUP}/defer"  # "true": this Job may wait
SELECTOR: Final = f"{DEFER_LABEL}=true"

# Annotations that users write; here and in `Job.notes` without the prefix.
DEADLINE: Final = "deadline"  # RFC 3339: finish by
MAX_DELAY: Final = "max-delay"  # 12h: the longest wait before the start
DURATION: Final = "duration"  # 2h: how long it runs
INTERRUPTIBLE: Final = "interruptible"  # "true": may be paused
CHECKPOINT_INTERVAL: Final = "checkpoint-interval"  # 15m: at most so much work is lost
RUN_NOW: Final = "run-now"  # "true": start at once
HOLD_UNTIL: Final = "hold-until"  # RFC 3339: not before, whatever else is said

# Annotations that only the controller writes.
STATUS: Final = "status"  # the sentence
LATEST_START: Final = "latest-start"  # RFC 3339: never later
TERMS: Final = "terms"  # what the user had said when the latest start was announced
PLANNED_START: Final = "planned-start"  # RFC 3339
RELEASED_AT: Final = "released-at"  # RFC 3339: we let it run
RUNS: Final = "runs"  # earlier runs of an interruptible Job: start/end, start/end
ASKED: Final = (
    DEADLINE,
    MAX_DELAY,
    DURATION,
    INTERRUPTIBLE,
    CHECKPOINT_INTERVAL,
)

KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"
OWN_CONTROLLER: Final = "kubernetes.io/job-controller"
CRON_JOB: Final = "CronJob"
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
JOB_UID: Final = "batch.kubernetes.io/controller-uid"
CRON_TIME: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
