"""How much one person may have waiting: nobody fills the queue, or the database behind it."""

from __future__ import annotations

import pytest
from policy_world import person

from policy.errors import TooMany
from policy.models import Role
from workers import jobs
from workers.models import Job

MOST = jobs.MOST_OPEN[Job.Kind.SEARCH]


def ask(user: object, number: int, kind: str = Job.Kind.SEARCH) -> Job:
    return jobs.enqueue(
        kind, {"trial": number}, title=f"{number}", user=user, dedup_key=f"{number}"
    )  # type: ignore[arg-type]


@pytest.fixture
def busy(db: None) -> object:
    """Somebody with as many searches open as they may have."""
    user = person("busy", Role.MAINTAINER)
    for number in range(MOST):
        ask(user, number)
    return user


def test_one_more_is_refused_and_says_why(busy: object) -> None:
    with pytest.raises(TooMany, match=f"{MOST} jobs of this kind"):
        ask(busy, MOST)
    assert Job.objects.count() == MOST


def test_what_was_asked_before_is_answered(busy: object) -> None:
    assert ask(busy, 0).pk == Job.objects.earliest("pk").pk
    assert Job.objects.count() == MOST


def test_others_and_other_kinds_are_not_in_the_way(busy: object) -> None:
    ask(busy, MOST, Job.Kind.RECORD)
    ask(person("other", Role.MAINTAINER), MOST)
    ask(None, MOST + 1)
    assert Job.objects.count() == MOST + 3


def test_what_has_ended_makes_room(busy: object) -> None:
    jobs.cancel(Job.objects.earliest("pk"), busy)  # type: ignore[arg-type]
    ask(busy, MOST)


def test_previews_give_way_to_newer_ones(db: None) -> None:
    user = person("curious", Role.MAINTAINER)
    for number in range(6):
        jobs.give_way(Job.Kind.PREVIEW, user, 4)
        ask(user, number, Job.Kind.PREVIEW)
    waiting = Job.objects.filter(status=Job.Status.QUEUED)
    assert sorted(job.title for job in waiting) == ["2", "3", "4", "5"]
