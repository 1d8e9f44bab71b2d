"""Parts that come again by themselves: only when newer, and never a sign-in page in their place."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from frontend.live import tag_of
from policy.models import Role
from tests.policy.policy_world import World, person
from workers import attempts
from workers.models import Job

pytestmark = pytest.mark.django_db
LIVE = {"HX-Request": "true", "Lockstep-Live": "1"}


def job_of(user: User, **values: object) -> Job:
    return Job.objects.create(
        kind=Job.Kind.IMPORT, title="Import of up 1.0", created_by=user, **values
    )


def test_a_part_is_sent_again_only_when_it_is_newer(client: Client) -> None:
    viewer = person("viewer", Role.VIEWER)
    client.force_login(viewer)
    job = job_of(viewer)
    url = reverse("job", args=[job.pk])
    first = client.get(url, headers=LIVE)
    assert "data-live=" in first.text
    have = LIVE | {"If-None-Match": first.headers["ETag"]}
    again = client.get(url, headers=have)
    assert (again.status_code, again.content) == (304, b"")
    attempts.claim(job.pk)
    newer = client.get(url, headers=have)
    assert newer.status_code == 200
    assert "running" in newer.text


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("<time data-relative>now</time>", "<time data-relative>1 h</time>", True),
        ("<time data-relative>now</time>", "<time data-relative>now</time>!", False),
        ('name="csrfmiddlewaretoken" value="x"', 'name="csrfmiddlewaretoken" value="y"', True),
        ('name="title" value="x"', 'name="title" value="y"', False),
    ],
)
def test_what_counts_as_news(before: str, after: str, same: bool) -> None:
    assert (tag_of(before.encode()) == tag_of(after.encode())) is same


def test_an_ended_job_comes_no_more(client: Client) -> None:
    viewer = person("viewer", Role.VIEWER)
    client.force_login(viewer)
    job = job_of(viewer, status=Job.Status.DONE, finished_at=timezone.now())
    part = client.get(reverse("job", args=[job.pk]), headers=LIVE).text
    assert "data-live" not in part
    assert "data-announce" in part


def test_an_ended_session_is_told_to_htmx(client: Client) -> None:
    url = reverse("pulse")
    assert client.get(url, headers=LIVE).status_code == 401
    assert client.get(url).status_code == 302
    assert client.post(reverse("theme"), headers={"HX-Request": "true"}).status_code == 401


def test_the_pulse_tells_my_finished_work_once_it_is_all_done(client: Client) -> None:
    world = World()
    mine, theirs = world.maintainer, world.reviewer
    now = timezone.now()
    ended = {"status": Job.Status.DONE, "finished_at": now}
    job_of(theirs, **ended)
    job_of(mine, status=Job.Status.DONE, finished_at=now - timedelta(hours=1))
    first = job_of(mine, payload={"batch": "x"}, **ended)
    second = job_of(mine, payload={"batch": "x"}, status=Job.Status.RUNNING)
    client.force_login(mine)
    assert "data-finished" not in client.get(reverse("pulse")).text
    Job.objects.filter(pk=second.pk).update(**ended)
    part = client.get(reverse("pulse")).text
    assert part.count("data-finished") == 1
    assert f'data-finished="{first.pk}"' in part or f'data-finished="{second.pk}"' in part


def test_the_pulse_counts_whose_turn_it_is(client: Client) -> None:
    world = World()
    world.in_review()
    client.force_login(world.reviewer)
    assert 'data-turns="1"' in client.get(reverse("pulse")).text


def test_my_jobs_are_listed_running_ones_first(
    client: Client, django_assert_max_num_queries
) -> None:
    world = World()
    running = job_of(world.maintainer, status=Job.Status.RUNNING, started_at=timezone.now())
    client.force_login(world.maintainer)
    for _ in range(30):
        job_of(world.maintainer, status=Job.Status.DONE, finished_at=timezone.now())
        job_of(world.reviewer)
    with django_assert_max_num_queries(20):
        page = client.get(reverse("jobs")).text
    assert page.index(reverse("job-cancel", args=[running.pk])) < page.index("Your last ones")
    assert "Running for others" in page
