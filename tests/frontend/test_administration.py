"""The administration site's pages: each of them opens, for whom it is, in the house's frame."""

from __future__ import annotations

import pytest
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from policy_world import World, person
from signed_in import Login

from frontend.models import Identity
from policy import audit
from policy.models import AuditEntry

pytestmark = pytest.mark.django_db
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
#: What forms of the site may change; everything else is only looked at.
CHANGED = {"auth.User", "frontend.Identity", "machines.Release", "machines.Tree"}
CHANGED |= {"policy.Membership"}


@pytest.fixture
def root(login: Login) -> Client:
    return login(person("root", is_superuser=True))


def address(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def rows() -> None:
    """A row of most of what there is."""
    World().published()
    user = User.objects.get(username="maintainer")
    AccessAttempt.objects.create(username="ada", ip_address="192.0.2.1", failures_since_start=9)
    AccessLog.objects.create(username="ada", ip_address="192.0.2.1")
    Identity.objects.create(user=user, issuer="https://id.example", subject="1")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_list_and_row_opens_in_the_house_s_frame(root: Client, model: type[Model]) -> None:
    rows()
    pages = [address(model, "changelist")]
    pages += [address(model, "change", row.pk) for row in model._default_manager.all()[:1]]
    pages += [address(model, "add")] if model._meta.label in CHANGED else []
    for page in pages:
        answer = root.get(page)
        assert answer.status_code == 200
        assert 'aria-label="Breadcrumb"' in answer.text
        for forbidden in ("<style", " style=", "onclick=", "/static/admin/js/"):
            assert forbidden not in answer.text


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_nothing_else_can_be_added_changed_or_deleted(root: Client, model: type[Model]) -> None:
    if model._meta.label in CHANGED:
        model_admin = admin.site._registry[model]
        assert model_admin.actions is None
        return
    rows()
    assert root.post(address(model, "add")).status_code == 403
    for row in model._default_manager.all()[:1]:
        assert root.post(address(model, "change", row.pk), {}).status_code == 403
        assert root.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    sent = {"action": "delete_selected", "index": 0, "post": "yes", "_selected_action": ["1"]}
    before = model._default_manager.count()
    root.post(address(model, "changelist"), sent)
    assert model._default_manager.count() == before


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_who_is_no_administrator_opens_none(login: Login, world: World, model: type[Model]) -> None:
    for page in ("changelist", "add"):
        assert login(world.maintainer).get(address(model, page), follow=True).status_code == 403


def test_the_first_page_names_what_is_kept_by_room(root: Client) -> None:
    page = root.get(reverse("admin:index")).text
    rooms = [page.index(f">{room}</h2>") for room in ("People", "Releases", "Policies", "Records")]
    assert rooms == sorted(rooms)
    assert "Failed sign-ins and locks" in page


def test_the_way_there_is_for_administrators(root: Client, login: Login, world: World) -> None:
    assert 'href="/admin/"' in root.get(reverse("settings")).text
    assert 'href="/admin/"' not in login(world.maintainer).get(reverse("settings")).text


def test_lists_of_documents_stay_cheap(root: Client, django_assert_max_num_queries) -> None:
    rows()
    for name in ("changerequest", "revision", "bundle", "trial", "review", "auditentry"):
        with django_assert_max_num_queries(20):
            root.get(reverse(f"admin:policy_{name}_changelist"))


def test_a_lock_is_lifted_on_its_page(root: Client) -> None:
    User.objects.create_user("ada")
    row = AccessAttempt.objects.create(
        username="ada", ip_address="192.0.2.1", failures_since_start=settings.AXES_FAILURE_LIMIT
    )
    page = reverse("admin:axes_accessattempt_changelist")
    assert "Forget the failures and lift the lock" in root.get(page).text
    sent = {"action": "lift", "index": 0, "_selected_action": [row.pk]}
    assert "1 name may try again" in root.post(page, sent, follow=True).text
    assert not AccessAttempt.objects.exists()
    assert AuditEntry.objects.get().action == "lift lock"


def test_who_is_here_is_linked_to_a_provider_and_unlinked(root: Client) -> None:
    ada = User.objects.create_user("ada")
    sent = {"user": ada.pk, "issuer": "https://id.example", "subject": "7"}
    assert root.post(reverse("admin:frontend_identity_add"), sent).status_code == 302
    link = Identity.objects.get(user=ada)
    again = root.post(reverse("admin:frontend_identity_add"), sent | {"user": ada.pk})
    assert "already exists" in again.text
    root.post(reverse("admin:frontend_identity_delete", args=[link.pk]), {"post": "yes"})
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["add identity", "delete identity"]
    assert audit.verify() == []


def test_what_was_typed_at_a_failed_sign_in_is_not_shown(root: Client, client: Client) -> None:
    client.post(reverse("login"), {"username": "ada", "password": "pa55", "next": "/typed/"})
    row = AccessAttempt.objects.get()
    page = root.get(reverse("admin:axes_accessattempt_change", args=[row.pk])).text
    assert "ada" in page
    assert "/typed/" not in page
