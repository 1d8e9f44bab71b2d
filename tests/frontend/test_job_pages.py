"""A job's page: who may look, who may take it back, what its log says."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from policy.models import AuditEntry, Role
from tests.policy.policy_world import person
from workers import attempts
from workers.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return person("owner", Role.MAINTAINER)


@pytest.fixture
def job(owner: User) -> Job:
    return Job.objects.create(kind=Job.Kind.IMPORT, title="Import of up 1.0", created_by=owner)


def test_who_asked_for_it_takes_it_back(client: Client, owner: User, job: Job) -> None:
    client.force_login(owner)
    assert reverse("job-cancel", args=[job.pk]) in client.get(reverse("job", args=[job.pk])).text
    response = client.post(reverse("job-cancel", args=[job.pk]))
    assert response.url == reverse("job", args=[job.pk])
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    entry = AuditEntry.objects.latest("pk")
    assert (entry.actor, entry.action) == ("owner", "cancel-job")


def test_nobody_else_does(client: Client, job: Job) -> None:
    client.force_login(person("other", Role.MAINTAINER))
    assert "Cancel" not in client.get(reverse("job", args=[job.pk])).text
    assert client.post(reverse("job-cancel", args=[job.pk])).status_code == 403
    job.refresh_from_db()
    assert job.status == Job.Status.QUEUED


def test_who_has_no_role_does_not_see_it(client: Client, job: Job) -> None:
    client.force_login(person("stranger"))
    assert client.get(reverse("job", args=[job.pk])).status_code == 404
    assert client.post(reverse("job-cancel", args=[job.pk])).status_code == 404


def test_its_log_is_read_while_it_runs_and_after(client: Client, owner: User, job: Job) -> None:
    client.force_login(owner)
    attempt = attempts.claim(job.pk)
    assert attempt is not None
    attempt.step(1, 4, "writing the catalogue")
    attempt.say("594 device types <read>")
    page = client.get(reverse("job", args=[job.pk])).text
    assert "1 of 4" in page
    assert "594 device types &lt;read&gt;" in page
    attempt.fail("vmstate.json: is no JSON")
    page = client.get(reverse("job", args=[job.pk])).text
    assert "failed: vmstate.json: is no JSON" in page
    assert "data-live=" not in page.split('id="job"')[1].split(">")[0]
