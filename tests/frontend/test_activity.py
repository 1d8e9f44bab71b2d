"""Recent activity: what one person did to one object in a row is one line, in words."""

import pytest
from django.test import Client
from django.urls import reverse

from frontend.shown.activity import grouped
from policy.models import AuditEntry
from policy.review import workflow
from tests.policy.policy_world import World

pytestmark = pytest.mark.django_db


def test_one_persons_deeds_on_one_change_are_one_activity() -> None:
    world = World()
    change = world.in_review()
    workflow.comment(change, world.reviewer, "Why?")
    activities = grouped(AuditEntry.objects.filter(object_type="policy.changerequest"), 8)
    assert [item.actor for item in activities] == ["reviewer", "maintainer"]
    assert [str(deed.words) for deed in activities[0].deeds] == ["commented"]
    assert str(activities[1].deeds[0].words) == "opened"
    assert str(activities[1].deeds[-1].words) == "submitted"


def test_the_overview_leads_to_what_was_changed(client: Client) -> None:
    world = World()
    change = world.change()
    client.force_login(world.reviewer)
    page = client.get(reverse("home")).text
    assert f'<a href="{reverse("change", args=[change.pk])}">#{change.pk} A change</a>' in page
    assert "opened" in page
