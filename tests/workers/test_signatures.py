"""A published revision ends up as a signed bundle in a signed index, whatever was away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from policy.models import Bundle, BundleIndex
from policy.publishing import signing
from tests.policy.policy_world import World
from tests.policy.signing_keys import TestKey, made_key
from workers import jobs, tasks
from workers.models import Job


@pytest.fixture(scope="module")
def key() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


@pytest.fixture
def published(db: None) -> Job:
    """The bundle's job, done: what comes next is its signature."""
    job = jobs.enqueue_bundle(World().published(), None)
    tasks.run_bundle(job.pk)
    return job


def test_signing_follows_building(published: Job, key: TestKey, settings) -> None:  # type: ignore[no-untyped-def]
    settings.LOCKSTEP_SIGNING_KEY, settings.LOCKSTEP_GNUPGHOME = key.fingerprint, key.home
    job = Job.objects.get(kind=Job.Kind.SIGN)
    tasks.run_signatures(job.pk)
    job.refresh_from_db()
    assert (job.status, job.result) == (Job.Status.DONE, {"signed": 1, "index": 1})
    assert Bundle.objects.get().signatures.get().key.fingerprint == key.fingerprint
    assert not signing.is_waiting()


def test_without_a_key_there_is_an_index_to_sign_offline(published: Job) -> None:
    tasks.run_signatures(Job.objects.get(kind=Job.Kind.SIGN).pk)
    assert signing.waiting_index() == BundleIndex.objects.get()


def test_an_agent_that_is_away_is_told_and_asked_again(published: Job, settings) -> None:  # type: ignore[no-untyped-def]
    settings.LOCKSTEP_SIGNING_KEY = "0" * 40
    job = Job.objects.get(kind=Job.Kind.SIGN)
    tasks.run_signatures(job.pk)
    job.refresh_from_db()
    assert (job.status, "has no public key" in job.error) == (Job.Status.FAILED, True)
    tasks.sweep()
    assert Job.objects.filter(kind=Job.Kind.SIGN).count() == 1
    Job.objects.update(created_at="2026-01-01T00:00:00Z")
    tasks.sweep()
    assert Job.objects.filter(kind=Job.Kind.SIGN).count() == 2
