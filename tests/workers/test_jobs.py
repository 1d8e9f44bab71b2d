"""A job's row: claimed once, written by its holder alone, put back when its holder is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, ChangeRequest, Trial
from workers import attempts, jobs, sweeping, tasks
from workers.attempts import MAX_LOG, Attempt, LostClaim
from workers.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def new_job(**values: object) -> Job:
    return Job.objects.create(kind=Job.Kind.TRIALS, title="a job", **values)


def claimed(job: Job) -> Attempt:
    attempt = attempts.claim(job.pk)
    assert attempt is not None
    return attempt


def lose(job: Job) -> None:
    """As if its worker had been silent for too long."""
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_of_many_workers_one_claims() -> None:
    job = new_job()
    taken: list[Attempt | None] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        taken.append(attempts.claim(job.pk))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == 8
    assert sum(attempt is not None for attempt in taken) == 1
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Job.Status.RUNNING, 1)


def test_a_job_is_finished_once() -> None:
    attempt = claimed(new_job())
    attempt.step(1, 2, "half")
    attempt.finish({"done": 2})
    with pytest.raises(LostClaim):
        attempt.finish({"done": 3})
    job = Job.objects.get()
    assert (job.status, job.result, job.progress_done) == (Job.Status.DONE, {"done": 2}, 2)
    assert job.finished_at is not None


def test_who_lost_the_lease_writes_no_more() -> None:
    job = new_job()
    late = claimed(job)
    lose(job)
    assert sweeping.sweep().requeued == 1
    second = claimed(job)
    for write in (late.heartbeat, lambda: late.step(1, 1), lambda: late.fail("no")):
        with pytest.raises(LostClaim):
            write()
    second.finish({})
    assert second.number == 2


def test_a_lost_claim_undoes_what_was_written_with_it() -> None:
    job = new_job()
    late = claimed(job)
    lose(job)
    sweeping.sweep()
    with pytest.raises(LostClaim), transaction.atomic():
        User.objects.create_user("half-written")
        late.finish({})
    assert not User.objects.filter(username="half-written").exists()


def test_after_three_losses_the_job_is_given_up() -> None:
    job = new_job()
    for _ in range(3):
        claimed(job)
        lose(job)
        swept = sweeping.sweep()
    assert swept.quarantined == 1
    job.refresh_from_db()
    assert job.status == Job.Status.QUARANTINED
    assert "3 times" in job.error
    assert attempts.claim(job.pk) is None


def test_after_three_errors_the_job_is_given_up_with_the_last_one() -> None:
    job = new_job()

    def broken(attempt: Attempt) -> None:
        raise RuntimeError(f"attempt {attempt.number} broke")

    for _ in range(4):
        tasks.execute(job.pk, broken)
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Job.Status.QUARANTINED, 3)
    assert job.error == "RuntimeError: attempt 3 broke"


def test_bad_input_fails_at_once() -> None:
    job = new_job()

    def refuse(attempt: Attempt) -> None:
        raise Invalid("line 7: no such driver")

    tasks.execute(job.pk, refuse)
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Job.Status.FAILED, 1)
    assert job.error == "line 7: no such driver"


def test_a_released_job_waits_again_and_keeps_its_attempts() -> None:
    job = new_job()
    claimed(job).release()
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Job.Status.QUEUED, 0)


def test_the_heartbeat_keeps_the_lease(settings: object) -> None:
    settings.LOCKSTEP_LEASE_SECONDS = 0.3  # type: ignore[attr-defined]
    job = new_job()

    def slow(attempt: Attempt) -> None:
        threading.Event().wait(1)
        assert sweeping.sweep().requeued == 0
        attempt.finish({})

    tasks.execute(job.pk, slow)
    job.refresh_from_db()
    assert job.status == Job.Status.DONE


def test_a_waiting_job_is_cancelled_at_once_with_its_files(maintainer: User) -> None:
    job = jobs.enqueue("import", {}, title="x", user=maintainer, uploads=[("a.json", b"{}")])
    jobs.cancel(job, maintainer)
    assert job.status == Job.Status.CANCELLED
    assert not job.uploads.exists()
    assert attempts.claim(job.pk) is None
    assert AuditEntry.objects.get(action="cancel-job").actor == "maintainer"
    with pytest.raises(Invalid):
        jobs.cancel(job, maintainer)


def test_a_running_job_is_cancelled_at_its_next_step(maintainer: User) -> None:
    job = new_job(created_by=maintainer)

    def runner(attempt: Attempt) -> None:
        jobs.cancel(job, maintainer)
        attempt.step(1, 2)
        attempt.finish({})

    tasks.execute(job.pk, runner)
    job.refresh_from_db()
    assert (job.status, job.result) == (Job.Status.CANCELLED, None)


def test_nobody_cancels_another_ones_job(maintainer: User) -> None:
    job = new_job(created_by=maintainer)
    with pytest.raises(Forbidden):
        jobs.cancel(job, User.objects.create_user("other"))


def test_the_same_work_is_asked_for_once_while_it_is_open(maintainer: User) -> None:
    def ask() -> Job:
        return jobs.enqueue("bundle", {}, title="x", user=maintainer, dedup_key="revision-1")

    first = ask()
    assert ask() == first
    claimed(first).finish({})
    assert ask() != first


def test_a_job_waits_where_redis_is_away(maintainer: User) -> None:
    job = jobs.enqueue("bundle", {}, title="x", user=maintainer)
    job.refresh_from_db()
    assert (job.status, job.sent_at) == (Job.Status.QUEUED, None)
    assert sweeping.sweep().sent == 0


def test_nothing_is_sent_for_a_job_that_was_rolled_back(redis: object, maintainer: User) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        jobs.enqueue("bundle", {}, title="x", user=maintainer)
        raise RuntimeError
    assert sweeping.messages_waiting("bundle") == 0


def test_a_lost_message_is_sent_again_and_a_waiting_one_is_not(
    redis: object, maintainer: User
) -> None:
    job = jobs.enqueue("bundle", {}, title="x", user=maintainer)
    assert sweeping.messages_waiting("bundle") == 1
    Job.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    assert sweeping.sweep().sent == 0  # its message is still there
    redis.stop()  # type: ignore[attr-defined]
    redis.start()  # type: ignore[attr-defined]
    assert sweeping.messages_waiting("bundle") == 0
    assert sweeping.sweep().sent == 1
    job.refresh_from_db()
    assert job.sent_at is not None


def test_many_trials_are_shared_between_jobs(
    change: ChangeRequest, maintainer: User, make_trials: Callable[[int], list[Trial]]
) -> None:
    trials = make_trials(jobs.TRIALS_PER_JOB + 2)
    for _asked_twice in range(2):
        jobs.enqueue_trials(change, trials, maintainer)
    parts = [job.payload["trials"] for job in jobs.jobs_of(change).order_by("pk")]
    assert [len(part) for part in parts] == [jobs.TRIALS_PER_JOB, 2]
    assert [*parts[0], *parts[1]] == [trial.pk for trial in trials]
    running = attempts.claim(jobs.jobs_of(change).latest("pk").pk)
    assert running is not None
    assert jobs.latest_of(change).pk == running.job_id


def test_trials_that_were_asked_for_together_are_cancelled_together(
    change: ChangeRequest, maintainer: User, make_trials: Callable[[int], list[Trial]]
) -> None:
    trials = make_trials(jobs.TRIALS_PER_JOB + 2)
    first = jobs.enqueue_trials(change, trials, maintainer)
    other = new_job(payload={"change": change.pk, "trials": [1], "batch": "another"})
    jobs.cancel(first, maintainer)
    statuses = list(jobs.jobs_of(change).order_by("pk").values_list("status", flat=True))
    assert statuses == ["cancelled", "cancelled", "queued"]
    other.refresh_from_db()
    assert not other.cancel_requested


def test_jobs_that_share_trials_say_together_how_far_they_are(
    change: ChangeRequest, maintainer: User, make_trials: Callable[[int], list[Trial]]
) -> None:
    trials = make_trials(jobs.TRIALS_PER_JOB + 50)
    first = jobs.enqueue_trials(change, trials, maintainer)
    attempt = claimed(first)
    attempt.step(30, jobs.TRIALS_PER_JOB, "the thirtieth")
    first.refresh_from_db()
    found = jobs.progress_of(first)
    assert (found.progress_done, found.progress_total) == (30, jobs.TRIALS_PER_JOB + 50)
    assert (found.status, found.progress_text) == ("running", "the thirtieth")
    single = new_job(progress_done=1, progress_total=2)
    assert (jobs.progress_of(single).progress_done, jobs.progress_of(single).progress_total) == (
        1,
        2,
    )


def test_the_log_tells_the_attempts_and_what_was_said() -> None:
    attempt = claimed(new_job())
    attempt.say("two\nlines")
    attempt.retry("Redis is away")
    job = Job.objects.get(pk=attempt.job_id)
    times, said = zip(*(line.split("Z  ") for line in job.log.splitlines()), strict=True)
    assert said == ("begun, attempt 1", "two lines", "back to the queue: Redis is away")
    assert list(times) == sorted(times)


def test_a_log_has_an_end() -> None:
    attempt = claimed(new_job())
    for _ in range(80):
        attempt.say("x" * 1000)
    attempt.fail("enough")
    job = Job.objects.get(pk=attempt.job_id)
    assert len(job.log) < MAX_LOG + 2000
    assert job.log.endswith("failed: enough\n")
