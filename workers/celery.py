"""The Celery application: three queues, one task a kind of job, the sweeper's and the reminder's
clock.

A message carries a job's id and nothing else; what is to be done, and whether it still has to be
done, stands in the job's row (:mod:`workers.jobs`).
"""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "frontend.settings")

#: Where each task waits: a long trial batch must not keep an import or a download waiting.
ROUTES = {
    "workers.tasks.run_import": {"queue": "imports"},
    "workers.tasks.run_trials": {"queue": "trials"},
    "workers.tasks.run_search": {"queue": "trials"},
    "workers.tasks.run_preview": {"queue": "trials"},
    "workers.tasks.run_stream": {"queue": "imports"},
    "workers.tasks.run_record": {"queue": "imports"},
    "workers.tasks.run_verdict": {"queue": "imports"},
    "workers.tasks.run_bundle": {"queue": "exports"},
    "workers.tasks.run_signatures": {"queue": "exports"},
    "workers.tasks.run_mails": {"queue": "exports"},
    "workers.tasks.run_deliveries": {"queue": "exports"},
    "workers.tasks.remind": {"queue": "exports"},
    "workers.tasks.sweep": {"queue": "exports"},
}
#: How often turns are looked at that wait for too long, in seconds.
REMIND_SECONDS = 3600
QUEUES = ("imports", "trials", "exports")

app = Celery("lockstep")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_routes = ROUTES
app.autodiscover_tasks(["workers"])

#: Set in the worker's main process when it shuts down; its pool's processes inherit it by fork
#: and give their jobs back at the next step instead of being waited for, or killed.
stopping = multiprocessing.get_context("fork").Event()


@app.on_after_finalize.connect
def _set_the_clock(sender: Celery, **_: Any) -> None:
    from django.conf import settings

    every = settings.LOCKSTEP_SWEEP_SECONDS
    sender.conf.beat_schedule = {
        # Expires: after an outage one sweep is enough, not every one that was missed.
        "sweep": {
            "task": "workers.tasks.sweep",
            "schedule": every,
            "options": {"expires": every},
        },
        # What was reminded of is a row: asking again within its span of days does nothing.
        "remind": {
            "task": "workers.tasks.remind",
            "schedule": REMIND_SECONDS,
            "options": {"expires": REMIND_SECONDS},
        },
    }
    sender.conf.beat_max_loop_interval = max(1, min(every, 60))


@signals.worker_shutting_down.connect
def _give_jobs_back(**_: Any) -> None:
    stopping.set()


@signals.worker_ready.connect
def _sweep_at_start(**_: Any) -> None:
    """Take up at once what a worker left behind that was killed."""
    from django.db import connections

    from workers import sweeping

    try:
        sweeping.sweep()
    finally:
        # The pool forks again from this process: it must not hand on an open connection.
        connections.close_all()
