"""Jobs: asked for, taken back, and sent to the workers.

The row is the truth. A message to Celery only says "look at row 7": it may come twice, late or
never. So a worker claims a row (:mod:`workers.attempts`) by a conditional UPDATE that names a new
claim token, every later write of that attempt is conditional on the token, and a sweeper
(:mod:`workers.sweeping`) puts rows back whose worker fell silent, and sends a message again for
rows that nobody seems to know of.

    queued ──claim──▶ running ──finish──▶ done
      ▲  │               ├──────fail────▶ failed        the input is at fault
      │  └─cancel        ├──────cancel──▶ cancelled
      └──retry, release──┴──third loss──▶ quarantined   it broke the worker three times
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from kombu import Connection
from kombu.exceptions import OperationalError

from machines.models import Release, Stream
from policy import audit
from policy.errors import Forbidden, Invalid, TooMany
from policy.models import ChangeRequest, Revision, StreamVerdict, Trial
from workers.celery import app
from workers.models import Job, Upload

log = logging.getLogger(__name__)

#: Which task does which kind of job.
TASKS: dict[str, str] = {
    Job.Kind.IMPORT: "workers.tasks.run_import",
    Job.Kind.TRIALS: "workers.tasks.run_trials",
    Job.Kind.SEARCH: "workers.tasks.run_search",
    Job.Kind.BUNDLE: "workers.tasks.run_bundle",
    Job.Kind.SIGN: "workers.tasks.run_signatures",
    Job.Kind.MAILS: "workers.tasks.run_mails",
    Job.Kind.DELIVER: "workers.tasks.run_deliveries",
    Job.Kind.STREAM: "workers.tasks.run_stream",
    Job.Kind.RECORD: "workers.tasks.run_record",
    Job.Kind.VERDICT: "workers.tasks.run_verdict",
    Job.Kind.PREVIEW: "workers.tasks.run_preview",
}
#: How long a page may wait for Redis, in seconds.
SEND_TIMEOUT = 1.0
#: About ten seconds of work, with every device there is.
TRIALS_PER_JOB = 150
#: How many jobs of a kind one person may have that have not ended. Of the other kinds the rows that
#: they work on are limited: trials that wait, streams, questions about one.
MOST_OPEN: Mapping[str, int] = {
    Job.Kind.IMPORT: 10,  # each keeps its files in the database
    Job.Kind.SEARCH: 10,
    Job.Kind.RECORD: 20,
    Job.Kind.VERDICT: 100,
}
#: The states of a job that has not ended.
OPEN = (Job.Status.QUEUED, Job.Status.RUNNING)


# --- Asking -----------------------------------------------------------------------------------


def enqueue(
    kind: str,
    payload: dict[str, Any],
    *,
    title: str,
    user: User | None,
    dedup_key: str = "",
    uploads: Sequence[tuple[str, bytes]] = (),
) -> Job:
    """Ask for a job; its message goes out when the surrounding transaction commits.

    ``uploads`` are (file name, content) pairs that the job reads and its end removes. While a job
    of the same kind and ``dedup_key`` is open, that job is returned and no second one made.
    Raises :class:`policy.errors.TooMany` where the person has too many open.
    """
    try:
        with transaction.atomic():
            if dedup_key and (open_job := _open_job(kind, dedup_key)):
                return open_job
            _check_number(kind, user)
            job = Job.objects.create(
                kind=kind, payload=payload, title=title, created_by=user, dedup_key=dedup_key
            )
            Upload.objects.bulk_create(
                Upload(job=job, name=name, content=content) for name, content in uploads
            )
    except IntegrityError:
        # Somebody asked for the same at the same moment; the constraint let one through.
        if dedup_key and (open_job := _open_job(kind, dedup_key)):
            return open_job
        raise
    transaction.on_commit(lambda: _send_quietly(job), robust=True)
    return job


def _check_number(kind: str, user: User | None) -> None:
    most = MOST_OPEN.get(kind)
    if user is None or most is None:
        return
    if Job.objects.filter(created_by=user, kind=kind, status__in=OPEN).count() >= most:
        label = Job.Kind(kind).label
        raise TooMany(f"You have {most} jobs of this kind ({label}) open: wait, or cancel some.")


def give_way(kind: str, user: User, most: int) -> None:
    """Take back the person's oldest waiting jobs of the kind, so that fewer than ``most`` wait."""
    waiting = Job.objects.filter(created_by=user, kind=kind, status=Job.Status.QUEUED)
    for job in waiting.order_by("-id")[most - 1 :]:
        _take_back(job)


def enqueue_import(
    release: Release, uploads: Sequence[tuple[str, bytes]], user: User | None, source: str = ""
) -> Job:
    """Ask for the import of a release's own output into its catalogue."""
    content = hashlib.sha256()
    for name, data in sorted(uploads):
        content.update(f"{name}\0{len(data)}\0".encode() + data)
    return enqueue(
        Job.Kind.IMPORT,
        {"release": release.pk, "source": source},
        title=f"Import of {release.label}",
        user=user,
        dedup_key=f"release-{release.pk}-{content.hexdigest()[:32]}",
        uploads=uploads,
    )


def enqueue_trials(change: ChangeRequest, trials: Sequence[Trial], user: User | None) -> Job:
    """Ask for trial migrations that the change request's rules require.

    Those that an open job of the same change request has are left to that one. Many make several
    jobs of at most :data:`TRIALS_PER_JOB`, so that every worker process has some; returned is the
    first of them, or the last open one where nothing is left to ask for.
    """
    wanted = {trial.pk for trial in trials}
    job = None
    for job in jobs_of(change).filter(status__in=OPEN, cancel_requested=False):
        wanted -= set(job.payload["trials"])
    if job is not None and not wanted:
        return job
    ids = sorted(wanted)
    starts = range(0, max(len(ids), 1), TRIALS_PER_JOB)
    batch = secrets.token_hex(8)
    asked = [_trials_job(change, ids[at : at + TRIALS_PER_JOB], batch, user) for at in starts]
    return asked[0]


def _trials_job(change: ChangeRequest, ids: list[int], batch: str, user: User | None) -> Job:
    digest = hashlib.sha256(repr(ids).encode()).hexdigest()[:32]
    return enqueue(
        Job.Kind.TRIALS,
        {"change": change.pk, "trials": ids, "batch": batch},
        title=f"Trial migrations of #{change.pk} {change.title}"[:255],
        user=user,
        dedup_key=f"change-{change.pk}-{digest}",
    )


def asked_together(job: Job) -> models.QuerySet[Job]:
    """The jobs that share the work which was asked for with this one, itself among them."""
    if "batch" not in job.payload:
        return Job.objects.filter(pk=job.pk)
    return Job.objects.filter(kind=job.kind, payload__batch=job.payload["batch"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the jobs that share some work are together, in the words of a job's row."""

    title: str
    status: str
    is_open: bool
    progress_done: int
    progress_total: int
    progress_text: str
    started_at: datetime | None


def progress_of(job: Job) -> Progress:
    """Trials held and to be held, of all jobs that share them; what one job says of itself else."""
    parts = list(asked_together(job))
    started = [part.started_at for part in parts if part.started_at is not None]
    return Progress(
        title=job.title,
        status=job.status,
        is_open=job.is_open,
        progress_done=sum(part.progress_done for part in parts),
        progress_total=sum(
            max(part.progress_total, len(part.payload.get("trials", ()))) for part in parts
        ),
        progress_text=job.progress_text,
        started_at=min(started, default=None),
    )


def enqueue_search(trial: Trial, change: ChangeRequest | None, user: User | None) -> Job:
    """Ask for mitigations of a trial, with the draft of a change request for its own release."""
    draft = f"{change.pk}-{change.digest[:16]}" if change is not None else "published"
    return enqueue(
        Job.Kind.SEARCH,
        {"trial": trial.pk, "draft": change.pk if change is not None else None},
        title=f"Mitigations for {trial}"[:255],
        user=user,
        dedup_key=f"trial-{trial.pk}-{draft}",
    )


def enqueue_again(trials: Sequence[Trial], user: User) -> list[Job]:
    """Ask for trials that somebody wants to be run once more, whoever required them."""
    ids = sorted(trial.pk for trial in trials)
    batch = secrets.token_hex(8)
    return [
        enqueue(
            Job.Kind.TRIALS,
            {"trials": ids[at : at + TRIALS_PER_JOB], "batch": batch},
            title=f"{len(ids)} trial migrations once more",
            user=user,
        )
        for at in range(0, len(ids), TRIALS_PER_JOB)
    ]


def enqueue_variant(trial: Trial, user: User) -> Job:
    """Ask for a trial that somebody repeats with other properties."""
    return enqueue(
        Job.Kind.TRIALS,
        {"trials": [trial.pk]},
        title=f"Trial with other properties: {trial}"[:255],
        user=user,
        dedup_key=f"variant-{trial.pk}",
    )


def enqueue_stream(stream: Stream, user: User) -> Job:
    """Ask for the reading of an upload."""
    return enqueue(
        Job.Kind.STREAM,
        {"stream": stream.pk},
        title=f"Reading of {stream}"[:255],
        user=user,
        dedup_key=f"stream-{stream.pk}",
    )


def enqueue_record(trial: Trial, user: User) -> Job:
    """Ask for a trial's stream."""
    return enqueue(
        Job.Kind.RECORD,
        {"trial": trial.pk},
        title=f"Stream of {trial}"[:255],
        user=user,
        dedup_key=f"record-{trial.pk}",
    )


def enqueue_verdict(verdict: StreamVerdict, user: User) -> Job:
    """Ask whether a release would load a stream."""
    return enqueue(
        Job.Kind.VERDICT,
        {"verdict": verdict.pk, "stream": verdict.stream_id},
        title=f"Verdict: {verdict}"[:255],
        user=user,
        dedup_key=f"verdict-{verdict.pk}",
    )


def enqueue_bundle(revision: Revision, user: User | None) -> Job:
    """Ask for a published revision's bundle."""
    return enqueue(
        Job.Kind.BUNDLE,
        {"revision": revision.pk},
        title=f"Bundle of {revision}",
        user=user,
        dedup_key=f"revision-{revision.pk}",
    )


def enqueue_signatures() -> Job:
    """Ask for the signing of every bundle, and of their index, that waits for it."""
    return enqueue(Job.Kind.SIGN, {}, title="Signatures", user=None, dedup_key="signatures")


def enqueue_mails() -> Job:
    """Ask for the sending of every mail that waits."""
    return enqueue(Job.Kind.MAILS, {}, title="Mails", user=None, dedup_key="mails")


def enqueue_deliveries() -> Job:
    """Ask for the telling of every webhook that is due to be told."""
    return enqueue(Job.Kind.DELIVER, {}, title="Webhooks", user=None, dedup_key="deliver")


def asked_since(kind: str, moment: datetime) -> bool:
    """Whether a job of this kind was asked for since then, or is open."""
    asked = Job.objects.filter(kind=kind)
    return asked.filter(models.Q(created_at__gte=moment) | models.Q(status__in=OPEN)).exists()


def jobs_of(
    obj: Release | ChangeRequest | Revision | Trial | Stream | StreamVerdict,
) -> models.QuerySet[Job]:
    """The jobs that were asked for on behalf of an object, newest first."""
    if isinstance(obj, Stream):
        return Job.objects.filter(kind=Job.Kind.STREAM, payload__stream=obj.pk)
    if isinstance(obj, StreamVerdict):
        return Job.objects.filter(kind=Job.Kind.VERDICT, payload__verdict=obj.pk)
    if isinstance(obj, Trial):
        return Job.objects.filter(kind=Job.Kind.SEARCH, payload__trial=obj.pk)
    if isinstance(obj, Release):
        return Job.objects.filter(kind=Job.Kind.IMPORT, payload__release=obj.pk)
    if isinstance(obj, ChangeRequest):
        return Job.objects.filter(kind=Job.Kind.TRIALS, payload__change=obj.pk)
    return Job.objects.filter(kind=Job.Kind.BUNDLE, payload__revision=obj.pk)


def variants_of(trial: Trial) -> models.QuerySet[Job]:
    """The jobs that hold a trial with other properties, newest first."""
    return Job.objects.filter(kind=Job.Kind.TRIALS, dedup_key=f"variant-{trial.pk}")


def records_of(trial: Trial) -> models.QuerySet[Job]:
    """The jobs that make a trial's stream again, newest first."""
    return Job.objects.filter(kind=Job.Kind.RECORD, payload__trial=trial.pk)


def latest_of(obj: Release | ChangeRequest | Revision | Trial) -> Job | None:
    """The job about it that is still open, one that runs before others; else the newest."""
    rank = models.Case(
        models.When(status=Job.Status.RUNNING, then=0),
        models.When(status__in=OPEN, then=1),
        default=2,
    )
    return jobs_of(obj).order_by(rank, "-id").first()


def may_cancel(job: Job, user: User) -> bool:
    """Who asked for a job may take it back, and so may a superuser."""
    return job.is_open and (user.is_superuser or job.created_by_id == user.pk)


@transaction.atomic
def cancel(job: Job, user: User) -> Job:
    """Take a job back: at once while it waits, at its next step while it runs.

    The trials that were asked for with it are taken back with it, in whatever jobs they are.
    """
    if not (user.is_superuser or job.created_by_id == user.pk):
        raise Forbidden("Only the person who asked for a job may cancel it.")
    if not _take_back(job):
        raise Invalid("The job has ended: there is nothing left to cancel.")
    audit.record(user, "cancel-job", job)
    for other in asked_together(job).filter(status__in=OPEN, cancel_requested=False):
        if _take_back(other):
            audit.record(user, "cancel-job", other)
    job.refresh_from_db()
    return job


def _take_back(job: Job) -> bool:
    """Cancel a waiting job, ask a running one to end; False where it has ended."""
    now = timezone.now()
    waiting = Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED)
    if waiting.update(status=Job.Status.CANCELLED, cancel_requested=True, finished_at=now):
        Upload.objects.filter(job=job).delete()
        return True
    return bool(_running(job.pk).update(cancel_requested=True))


def _open_job(kind: str, dedup_key: str) -> Job | None:
    return Job.objects.filter(kind=kind, dedup_key=dedup_key, status__in=OPEN).first()


def _running(job_id: int) -> models.QuerySet[Job]:
    return Job.objects.filter(pk=job_id, status=Job.Status.RUNNING)


# --- Sending ----------------------------------------------------------------------------------


def send(job: Job) -> None:
    """Tell the workers of a waiting job. Raises kombu's OperationalError where Redis is away."""
    with broker() as connection:
        app.send_task(TASKS[job.kind], args=[job.pk], connection=connection, retry=False)
    Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED).update(sent_at=timezone.now())


def broker() -> Connection:
    """A connection that gives up soon: a page must not hang because Redis is away."""
    patience = {"socket_connect_timeout": SEND_TIMEOUT, "socket_timeout": SEND_TIMEOUT}
    return app.connection_for_write(
        connect_timeout=SEND_TIMEOUT, transport_options={"max_retries": 0} | patience
    )


def _send_quietly(job: Job) -> None:
    try:
        send(job)
    except OperationalError as error:
        log.warning("Redis is away, job %s waits for the sweeper: %s", job.pk, error)
