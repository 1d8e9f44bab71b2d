"""Real workers on a real Redis: killed, stopped and started, without losing or doubling work."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from policy.models import ChangeRequest, Trial
from policy.signals import trials_required
from tests.conftest import Redis, Worker, stop, wait_until
from workers import jobs, sweeping
from workers.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

MakeTrials = Callable[[int], list[Trial]]


def finished(count: int) -> bool:
    return Trial.objects.filter(state=Trial.State.DONE).count() >= count


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return not job.is_open


def remember_results(count: int) -> dict[int, object]:
    """What was recorded so far; a doubled result would have a later time."""
    done = Trial.objects.filter(state=Trial.State.DONE)[:count]
    return dict(done.values_list("pk", "finished_at"))


def test_a_killed_worker_loses_and_doubles_nothing(
    worker: Worker, change: ChangeRequest, maintainer: User, make_trials: MakeTrials
) -> None:
    trials = make_trials(150)
    worker.start()
    trials_required.send(sender=None, change=change, trials=trials, user=maintainer)
    wait_until(lambda: finished(3), "the first results")
    worker.kill()
    before = remember_results(150)
    assert len(before) < 150, "the worker was too fast to be killed in the middle"

    worker.start()
    worker.schedule()  # the worker itself asks once, and may start sooner than the lease ends
    job = Job.objects.get()
    wait_until(lambda: ended(job), "the rest of the batch")

    assert (job.status, job.result, job.attempts) == (Job.Status.DONE, {"done": 150}, 2)
    assert set(Trial.objects.values_list("outcome", flat=True)) == {"correct"}
    after = dict(Trial.objects.values_list("pk", "finished_at"))
    assert {pk: after[pk] for pk in before} == before


def test_a_stopped_worker_gives_its_job_back(
    worker: Worker, change: ChangeRequest, maintainer: User, make_trials: MakeTrials
) -> None:
    trials = make_trials(150)
    process = worker.start()
    job = jobs.enqueue_trials(change, trials, maintainer)
    wait_until(lambda: finished(3), "the first results")
    assert stop(process) == 0
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Job.Status.QUEUED, 0)
    assert not Trial.objects.filter(state=Trial.State.RUNNING).exists()

    worker.start()
    wait_until(lambda: ended(job), "the rest of the batch")
    assert (job.status, job.attempts) == (Job.Status.DONE, 1)


def test_work_goes_on_when_redis_is_back(
    worker: Worker, redis: Redis, change: ChangeRequest, maintainer: User, make_trials: MakeTrials
) -> None:
    trials = make_trials(80)
    worker.start()
    running = jobs.enqueue_trials(change, trials[:60], maintainer)
    wait_until(lambda: finished(1), "the first result")
    redis.stop()
    waiting = jobs.enqueue_trials(change, trials, maintainer)
    assert set(waiting.payload["trials"]) == {trial.pk for trial in trials[60:]}
    wait_until(lambda: ended(running), "the job that runs, without Redis")

    redis.start()
    wait_until(lambda: sweeping.sweep().sent or ended(waiting), "Redis to take messages")
    wait_until(lambda: ended(waiting), "the job that was asked for meanwhile")
    assert {running.status, waiting.status} == {Job.Status.DONE}
    assert finished(80)


def test_a_worker_takes_up_at_its_start_what_was_never_sent(
    worker: Worker, redis: Redis, change: ChangeRequest, maintainer: User, make_trials: MakeTrials
) -> None:
    redis.stop()
    job = jobs.enqueue_trials(change, make_trials(2), maintainer)
    assert job.sent_at is None
    redis.start()
    worker.start()
    wait_until(lambda: ended(job), "the job that Redis was never told of")
    assert job.status == Job.Status.DONE


def test_a_running_batch_is_cancelled(
    worker: Worker, change: ChangeRequest, maintainer: User, make_trials: MakeTrials
) -> None:
    trials = make_trials(150)
    worker.start()
    job = jobs.enqueue_trials(change, trials, maintainer)
    wait_until(lambda: finished(2), "the first results")
    jobs.cancel(job, maintainer)
    wait_until(lambda: ended(job), "the end of the job")
    assert job.status == Job.Status.CANCELLED
    left = Trial.objects.filter(state=Trial.State.QUEUED).count()
    assert left > 0
    assert left + Trial.objects.filter(state=Trial.State.DONE).count() == 150
