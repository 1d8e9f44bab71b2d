"""The administration site gives roles, records that, and is no way round the rules."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse
from policy_world import World, person

from machines.models import Tree
from policy import audit
from policy.models import AuditEntry, Membership, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    user = person("root", is_superuser=True, is_staff=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def admin_url(name: str, *args: object) -> str:
    try:
        return reverse(f"admin:policy_{name}", args=args)
    except NoReverseMatch:
        pytest.fail("the administration site is not among the addresses")


def test_a_role_is_given_and_taken_on_record(root: Client) -> None:
    user, tree = person("someone"), Tree.objects.create(name="down")
    sent = {"user": user.pk, "tree": tree.pk, "role": Role.REVIEWER}
    assert root.post(admin_url("membership_add"), sent).status_code == 302
    membership = Membership.objects.get(user=user)
    sent["role"] = Role.MAINTAINER
    root.post(admin_url("membership_change", membership.pk), sent)
    root.post(admin_url("membership_delete", membership.pk), {"post": "yes"})
    entries = AuditEntry.objects.order_by("id").values_list("actor", "action")
    assert list(entries) == [
        ("root", "give role"),
        ("root", "change role"),
        ("root", "take role"),
    ]
    assert not Membership.objects.filter(user=user).exists()
    assert audit.verify() == []


@pytest.mark.parametrize("model", ["reviewrules", "notice"])
def test_rules_and_mails_are_only_looked_at(root: Client, model: str) -> None:
    assert root.get(admin_url(f"{model}_changelist")).status_code == 200
    assert root.get(admin_url(f"{model}_add")).status_code == 403


@pytest.mark.parametrize("model", ["changerequest", "review", "revision", "auditentry"])
def test_what_the_rules_write_no_form_changes(root: Client, model: str) -> None:
    revision = World().published()
    rows = {
        "changerequest": revision.change_request.pk,
        "review": revision.change_request.reviews.get().pk,
        "revision": revision.pk,
        "auditentry": AuditEntry.objects.latest("id").pk,
    }
    assert root.get(admin_url(f"{model}_changelist")).status_code == 200
    assert root.get(admin_url(f"{model}_change", rows[model])).status_code == 200
    assert root.post(admin_url(f"{model}_change", rows[model]), {"text": "x"}).status_code == 403
    assert root.get(admin_url(f"{model}_add")).status_code == 403
    assert root.post(admin_url(f"{model}_delete", rows[model]), {"post": "yes"}).status_code == 403


def test_a_release_keeps_the_name_that_policies_call_it_by(client: Client) -> None:
    world = World()
    client.force_login(person("root", is_superuser=True, is_staff=True))
    tree, kept = world.release.tree, world.release
    data = {"tree": world.old.tree_id, "version": "9.9", "base": world.new.pk, "stand_in": ""}
    client.post(f"/admin/machines/release/{kept.pk}/change/", data)
    client.post(f"/admin/machines/tree/{tree.pk}/change/", {"name": "other", "title": "Down"})
    kept.refresh_from_db()
    tree.refresh_from_db()
    assert (kept.label, kept.base, tree.name, tree.title) == (
        "down 1.2", world.new, "down", "Down",
    )  # fmt: skip


def test_what_the_site_changes_of_trees_releases_and_people_is_recorded(root: Client) -> None:
    root.post(reverse("admin:machines_tree_add"), {"name": "suse", "title": "SUSE"})
    tree = Tree.objects.get(name="suse")
    root.post(reverse("admin:machines_tree_change", args=[tree.pk]), {"title": "SUSE Linux"})
    root.post(reverse("admin:machines_release_add"), {"tree": tree.pk, "version": "15"})
    gone = person("gone")
    root.post(reverse("admin:auth_user_delete", args=[gone.pk]), {"post": "yes"})
    told = AuditEntry.objects.filter(actor="root").order_by("id")
    actions = [entry.action for entry in told]
    assert actions == ["add tree", "change tree", "add release", "delete user"]
    assert told[1].before == {"name": "suse", "title": "SUSE"}
    assert told[1].after is not None
    assert told[1].after["title"] == "SUSE Linux"
    assert audit.verify() == []
