"""People and roles on the administration site: what it takes to change them, and the record."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from policy_world import World, person

from machines.models import Tree
from policy import audit
from policy.models import AuditEntry, Membership, Role

pytestmark = pytest.mark.django_db
PASSWORD, NEW = "correct horse battery", "another fine secret"
ROLES = "admin:policy_membership"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def root() -> Client:
    return signed_in(person("root", is_superuser=True))


def password_page(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=[user.pk])


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_a_new_password_ends_the_sessions_and_is_on_record(root: Client) -> None:
    ada = User.objects.create_user("ada", password=PASSWORD)
    session = signed_in(ada)
    assert session.get(reverse("settings")).status_code == 200
    sent = {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": ""}
    assert root.post(password_page(ada), sent).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert session.get(reverse("settings")).status_code == 302
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object_label) == ("root", "reset password", "ada")
    assert NEW not in str(entry.__dict__)


def test_a_password_can_be_taken_away(root: Client) -> None:
    ada = User.objects.create_user("ada", password=PASSWORD)
    root.post(password_page(ada), {"usable_password": "false", "unset-password": ""})
    ada.refresh_from_db()
    assert not ada.has_usable_password()
    assert actions() == ["take password"]


def test_a_weak_password_changes_nothing(root: Client) -> None:
    ada = User.objects.create_user("ada", password=PASSWORD)
    sent = {"usable_password": "true", "password1": "1", "password2": "1", "set-password": ""}
    assert "too short" in root.post(password_page(ada), sent).text
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert actions() == []


@pytest.mark.parametrize("role", [None, *Role.values])
def test_whoever_administers_nothing_sees_nothing(role: str | None) -> None:
    world = World()
    user = person("someone", is_staff=True)  # what Django's own site would ask for
    if role:
        Membership.objects.create(user=user, tree=world.release.tree, role=role)
    expected = 200 if role == Role.ADMINISTRATOR else 403
    client = signed_in(user)
    answer = client.get(reverse("admin:index"), follow=True)
    assert answer.status_code == expected
    assert client.get(reverse("admin:auth_user_changelist"), follow=True).status_code == 403
    assert client.post(password_page(user), {}, follow=True).status_code == 403


def test_who_is_not_signed_in_is_led_to_the_house_s_own_door(client: Client) -> None:
    answer = client.get(reverse("admin:index"), follow=True)
    assert answer.redirect_chain[-1][0] == "/accounts/login/?next=/admin/"
    assert signed_in(person("x", is_superuser=True)).get("/admin/password_change/").url == (
        reverse("password")
    )


def test_an_administrator_of_a_tree_gives_roles_in_that_tree_alone() -> None:
    own, other = Tree.objects.create(name="own"), Tree.objects.create(name="other")
    boss, ada = person("boss"), person("ada")
    Membership.objects.create(user=boss, tree=own, role=Role.ADMINISTRATOR)
    theirs = Membership.objects.create(user=ada, tree=other, role=Role.VIEWER)
    client = signed_in(boss)
    sent = {"user": ada.pk, "tree": own.pk, "role": Role.REVIEWER}
    assert client.post(reverse(f"{ROLES}_add"), sent).status_code == 302
    refused = client.post(reverse(f"{ROLES}_add"), sent | {"tree": other.pk})
    assert "Select a valid choice" in refused.text
    assert "other" not in client.get(reverse(f"{ROLES}_changelist")).text
    for page in ("change", "delete"):
        address = reverse(f"{ROLES}_{page}", args=[theirs.pk])
        assert client.post(address, {"role": Role.MAINTAINER, "post": "yes"}).status_code == 302
    theirs.refresh_from_db()
    assert theirs.role == Role.VIEWER
    held = Membership.objects.filter(user=ada, tree=own).get()
    client.post(reverse(f"{ROLES}_delete", args=[held.pk]), {"post": "yes"})
    assert actions() == ["give role", "take role"]
    assert audit.verify() == []


def test_a_role_stays_one_person_s_in_one_tree(root: Client) -> None:
    ada, tree = person("ada"), Tree.objects.create(name="own")
    held = Membership.objects.create(user=ada, tree=tree, role=Role.VIEWER)
    sent = {"user": person("b").pk, "tree": tree.pk, "role": Role.MAINTAINER}
    root.post(reverse(f"{ROLES}_change", args=[held.pk]), sent)
    held.refresh_from_db()
    assert (held.user, held.role) == (ada, Role.MAINTAINER)


def test_a_person_is_made_and_changed_on_record(root: Client) -> None:
    sent = {"username": "ada", "usable_password": "false"}
    assert root.post(reverse("admin:auth_user_add"), sent).status_code == 302
    ada = User.objects.get(username="ada")
    assert not ada.has_usable_password()
    change = reverse("admin:auth_user_change", args=[ada.pk])
    root.post(change, {"username": "else", "email": "a@b.example", "is_active": ""})
    ada.refresh_from_db()
    assert (ada.username, ada.email, ada.is_active) == ("ada", "a@b.example", False)
    entry = AuditEntry.objects.get(action="change user")
    assert entry.before["is_active"] == "True"
    assert entry.after["is_active"] == "False"


@pytest.mark.parametrize("name", ["system", "System", "gone"])
def test_nobody_takes_a_name_that_the_audit_trail_knows(root: Client, name: str) -> None:
    gone = person("gone")
    audit.record(gone, "open", gone)
    gone.delete()
    sent = {"username": name, "usable_password": "false"}
    assert "take a new one" in root.post(reverse("admin:auth_user_add"), sent).text


def test_the_last_superuser_stays_one(root: Client) -> None:
    only = User.objects.get(username="root")
    change = reverse("admin:auth_user_change", args=[only.pk])
    answer = root.post(change, {"is_active": "on", "is_superuser": ""})
    assert "only superuser" in answer.text
    delete = reverse("admin:auth_user_delete", args=[only.pk])
    assert root.post(delete, {"post": "yes"}).status_code == 403
    person("second", is_superuser=True)
    assert root.post(change, {"is_active": "on", "is_superuser": ""}).status_code == 302


def test_who_did_something_or_holds_a_role_is_disabled_not_deleted(root: Client) -> None:
    world = World()
    address = reverse("admin:auth_user_delete", args=[world.maintainer.pk])
    assert root.post(address, {"post": "yes"}).status_code == 403
    tree = reverse("admin:machines_tree_delete", args=[world.release.tree.pk])
    assert root.post(tree, {"post": "yes"}).status_code == 403


def test_history_is_what_the_audit_trail_says(root: Client) -> None:
    ada = person("ada")
    answer = root.get(reverse("admin:auth_user_history", args=[ada.pk]))
    assert answer.url == f"/audit/?object_type=auth.user&object_id={ada.pk}"
