"""What each kind of job does: an import, a batch of trial migrations, a search, a bundle, mails.

A task gets a job's id, claims the job's row (:func:`workers.attempts.claim`) and calls its runner.
Whatever a runner writes for good it writes in the transaction that also finishes the job, or under
a condition of its own (a trial's result is recorded once, whoever brings it).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from billiard.exceptions import SoftTimeLimitExceeded
from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from machines import kept_streams, parsing
from machines.catalogue import import_catalogue
from machines.emulator import machine, processes
from machines.emulator.catalogue import CatalogueError
from machines.models import Release, Stream
from policy import audit, trials
from policy.errors import PolicyError
from policy.messages import notices
from policy.models import ChangeRequest, Revision, StreamVerdict, Trial
from policy.packing.signatures import MissingToolError, SignatureError
from policy.publishing import bundle, signing
from policy.review import standing
from policy.trials import altered, published, recordings, remedies, stream_verdicts, streams
from workers import attempts, deliveries, jobs, mails, previews, sweeping
from workers.attempts import Attempt
from workers.models import Job, Upload

log = logging.getLogger(__name__)

#: How a trial is held, by the setting ``LOCKSTEP_TRIALS``: fast, or with a process for each side.
TRIALS: dict[str, trials.Hold] = {"in-process": machine.trial, "processes": processes.trial}

#: Whose message is for the person who asked: the input is at fault.
INPUT_ERRORS = (CatalogueError, PolicyError, bundle.BundleError, SignatureError, MissingToolError)


@shared_task
def run_import(job_id: int) -> None:
    """Import a release's own output (queue ``imports``)."""
    execute(job_id, import_release)


@shared_task
def run_trials(job_id: int) -> None:
    """Run trial migrations (queue ``trials``)."""
    execute(job_id, run_pending_trials)


@shared_task
def run_search(job_id: int) -> None:
    """Search for mitigations of a trial (queue ``trials``)."""
    execute(job_id, search_mitigations)


@shared_task
def run_preview(job_id: int) -> None:
    """Compute what an edit would bring about (queue ``trials``)."""
    execute(job_id, previews.run)


@shared_task
def run_bundle(job_id: int) -> None:
    """Build a revision's bundle (queue ``exports``)."""
    execute(job_id, build_bundle)


@shared_task
def run_signatures(job_id: int) -> None:
    """Sign the bundles and their index (queue ``exports``)."""
    execute(job_id, sign_bundles)


@shared_task
def run_mails(job_id: int) -> None:
    """Send the mails that wait (queue ``exports``)."""
    execute(job_id, send_mails)


@shared_task
def run_deliveries(job_id: int) -> None:
    """Tell the webhooks that are due (queue ``exports``)."""
    execute(job_id, tell_webhooks)


@shared_task
def run_stream(job_id: int) -> None:
    """Read an uploaded stream (queue ``imports``)."""
    execute(job_id, read_stream)


@shared_task
def run_record(job_id: int) -> None:
    """Make a trial's stream again (queue ``imports``)."""
    execute(job_id, record_trial)


@shared_task
def run_verdict(job_id: int) -> None:
    """Judge whether a release would load a stream (queue ``imports``)."""
    execute(job_id, judge_stream)


@shared_task
def sweep() -> None:
    """Take up lost jobs; the scheduler asks for it every few seconds (queue ``exports``)."""
    swept = sweeping.sweep()
    if swept != sweeping.Swept():
        log.warning("Swept: %s", swept)
    mails.take_up()
    deliveries.take_up()
    streams.sweep()
    _take_up_signatures()
    standing.refresh()
    altered.refresh()
    published.refresh()


def _take_up_signatures() -> None:
    """Ask for what waits to be signed: gpg's agent may have been away, or the index grows old."""
    recently = timezone.now() - mails.AGAIN_AFTER
    if signing.is_waiting() and not jobs.asked_since(Job.Kind.SIGN, recently):
        jobs.enqueue_signatures()


@shared_task
def remind() -> None:
    """Remind people of what has waited for them for days (queue ``exports``)."""
    if settings.LOCKSTEP_REMIND_DAYS:
        notices.remind(settings.LOCKSTEP_REMIND_DAYS)


def execute(job_id: int, runner: Callable[[Attempt], None]) -> None:
    """Claim the job and run it, or do nothing where somebody else does or it has ended."""
    attempt = attempts.claim(job_id)
    if attempt is None:
        return
    try:
        with attempt.kept_alive():
            _run(attempt, runner)
    except attempts.LostClaim:
        log.warning("Job %s was taken up elsewhere: attempt %s stops", job_id, attempt.number)


def _run(attempt: Attempt, runner: Callable[[Attempt], None]) -> None:
    try:
        runner(attempt)
    except attempts.Cancelled:
        attempt.cancelled()
    except attempts.Stopping:
        attempt.release()
    except attempts.LostClaim:
        raise
    except INPUT_ERRORS as error:
        attempt.fail(str(error))
    except SoftTimeLimitExceeded:
        attempt.retry("It ran longer than a job may.")
    except Exception as error:
        # The person sees the sentence, the log has the rest.
        log.exception("Job %s, attempt %s", attempt.job_id, attempt.number)
        attempt.retry(f"{type(error).__name__}: {error}")


def import_release(attempt: Attempt) -> None:
    """Payload: ``release`` (primary key), ``source``; the files are the job's uploads."""
    release = Release.objects.select_related("tree").get(pk=attempt.payload["release"])
    job = Job.objects.select_related("created_by").get(pk=attempt.job_id)
    files = {upload.name: bytes(upload.content) for upload in Upload.objects.filter(job=job)}
    attempt.step(0, 2, f"reading {len(files)} files")
    for name, content in sorted(files.items()):
        attempt.say(f"{name}: {len(content):,} bytes")
    catalogue = parsing.parse(files)
    attempt.say(
        f"read: {len(catalogue.types):,} device types, {len(catalogue.descriptions):,} with state, "
        f"{len(catalogue.machine_types):,} machine types, {len(catalogue.arrays):,} arrays"
    )
    attempt.step(1, 2, "writing the catalogue")
    with transaction.atomic():
        outcome = import_catalogue(
            release, catalogue, source=attempt.payload["source"], user=job.created_by
        )
        audit.record(
            job.created_by,
            "import",
            release,
            after={"snapshot": outcome.snapshot.number, "created": outcome.created},
        )
        attempt.finish(
            {
                "snapshot": outcome.snapshot.pk,
                "created": outcome.created,
                "changes": outcome.changes,
            }
        )


def run_pending_trials(attempt: Attempt) -> None:
    """Payload: ``trials`` (primary keys). Those that are done already, whoever did them, stay."""
    wanted = Trial.objects.filter(pk__in=attempt.payload["trials"])
    total = wanted.count()
    # Again and again: one that could not run may be asked for a second time meanwhile.
    while pending := _pending(wanted):
        for number, trial in enumerate(pending, start=total - len(pending)):
            attempt.step(number, total, str(trial))
            trials.run(trial, TRIALS[settings.LOCKSTEP_TRIALS])
            attempt.say(f"{trial}: {trial.outcome or trial.error or trial.state}")
    attempt.step(total, total)
    _note_standings()
    with transaction.atomic():
        states = list(wanted.values_list("state", flat=True))
        attempt.finish({state: states.count(state) for state in sorted(set(states))})


def _note_standings() -> None:
    """The outcomes may have made it somebody's turn, in whatever change request."""
    reviewed = (ChangeRequest.Status.SUBMITTED, ChangeRequest.Status.APPROVED)
    settled = {"trials_standing": ChangeRequest.Standing.PASSED, "trials_digest": F("digest")}
    for change in ChangeRequest.objects.filter(status__in=reviewed).exclude(**settled):
        with notices.told(change, None):
            standing.note(change)


def _pending(wanted: QuerySet[Trial]) -> list[Trial]:
    """Untouched ones first: a trial that was running when its worker died may break this one too,
    and must not keep the others from being tried.
    """
    waiting = wanted.filter(state__in=[Trial.State.QUEUED, Trial.State.RUNNING])
    return list(waiting.select_related("source__tree", "destination__tree").order_by("state", "id"))


def search_mitigations(attempt: Attempt) -> None:
    """Payload: ``trial`` (primary key), ``draft`` (that of a change request, or None)."""
    trials_ = Trial.objects.select_related("source__tree", "destination__tree")
    trial = trials_.get(pk=attempt.payload["trial"])
    draft = attempt.payload["draft"]
    change = None if draft is None else ChangeRequest.objects.get(pk=draft)
    found = remedies.search(trial, change, lambda held, most: attempt.step(held, most))
    attempt.finish(
        {
            "change": draft,
            "digest": change.digest if change is not None else "",
            "suggestions": [
                {
                    "entries": [[item.driver, item.property, item.value] for item in one.entries],
                    "outcome": one.outcome,
                }
                for one in found
            ],
        }
    )


def build_bundle(attempt: Attempt) -> None:
    """Payload: ``revision`` (primary key)."""
    revision = Revision.objects.get(pk=attempt.payload["revision"])
    attempt.step(0, 1, "building the bundle")
    built = bundle.store(revision)
    attempt.say(f"{built.filename}: {built.size:,} bytes, SHA-256 {built.sha256}")
    jobs.enqueue_signatures()
    attempt.step(1, 1)
    attempt.finish({"bundle": built.pk, "sha256": built.sha256})


def sign_bundles(attempt: Attempt) -> None:
    """No payload: whatever waits is signed."""
    attempt.step(0, 1, "signing")
    done = signing.sign_waiting()
    attempt.step(1, 1)
    attempt.finish(dict(done))


def send_mails(attempt: Attempt) -> None:
    """No payload: whatever waits is sent. What cannot be sent is tried again with later ones."""
    tried: set[int] = set()
    sent = 0
    while waiting := [notice for notice in mails.waiting() if notice.pk not in tried]:
        for notice in waiting:
            attempt.step(sent, len(tried) + len(waiting))
            tried.add(notice.pk)
            sent += mails.send(notice)
    attempt.step(sent, len(tried))
    attempt.finish({"sent": sent, "left": len(tried) - sent})


def tell_webhooks(attempt: Attempt) -> None:
    """No payload: whatever is due is sent; what fails is due again later.

    Whoever did not take one gets the rest of theirs another time: others wait for nobody who does
    not answer.
    """
    tried: set[int] = set()
    failing: set[int] = set()
    taken = 0
    while delivery := (waiting := deliveries.due(failing).exclude(pk__in=tried)).first():
        attempt.step(len(tried), len(tried) + waiting.count(), str(delivery))
        tried.add(delivery.pk)
        if deliveries.send(delivery):
            taken += 1
        else:
            failing.add(delivery.webhook_id)
    attempt.step(len(tried), len(tried))
    attempt.finish({"taken": taken, "left": len(tried) - taken})


def read_stream(attempt: Attempt) -> None:
    """Payload: ``stream`` (primary key). One that was deleted meanwhile is read no more."""
    attempt.step(0, 1, "reading the stream")
    stream = Stream.objects.filter(pk=attempt.payload["stream"]).first()
    if stream is not None and stream.state == Stream.State.WAITING:
        kept_streams.read(stream)
    attempt.step(1, 1)
    attempt.finish({"stream": attempt.payload["stream"]})


def record_trial(attempt: Attempt) -> None:
    """Payload: ``trial`` (primary key)."""
    attempt.step(0, 1, "holding the trial again")
    stream = recordings.record(Trial.objects.get(pk=attempt.payload["trial"]))
    attempt.step(1, 1)
    attempt.finish({"trial": attempt.payload["trial"], "stream": stream.pk})


def judge_stream(attempt: Attempt) -> None:
    """Payload: ``verdict`` (primary key). One that was forgotten meanwhile is not judged."""
    attempt.step(0, 1, "judging")
    rows = StreamVerdict.objects.select_related("stream", "profile", "change_request")
    verdict = rows.filter(pk=attempt.payload["verdict"]).first()
    if verdict is not None and verdict.state == StreamVerdict.State.QUEUED:
        stream_verdicts.judge(verdict, attempt.step)
    attempt.step(1, 1)
    attempt.finish({"stream": attempt.payload["stream"], "verdict": attempt.payload["verdict"]})
