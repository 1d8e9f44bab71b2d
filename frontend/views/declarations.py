"""Edits in place of what a change request declares: migrations, mitigations, waivers, backports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from frontend import meanwhile
from frontend.access import person_of, put_into, visible_change
from frontend.forms.changes import EditForm, WaiverForm
from frontend.forms.edits import RequiredEntryForm
from frontend.views.change_tabs.declaring import devices_form, migration_form, mitigation_form
from frontend.views.changes import change_page
from policy import edits
from policy.errors import PolicyError
from policy.models import ChangeRequest


@dataclass(frozen=True, slots=True)
class Declaration:
    """A form of the change request's page: where it stands, and the edit that it asks for.

    ``name`` is the form's in the page's context; ``arguments`` are those of ``edit`` after the
    version, from the form's cleaned data.
    """

    tab: str
    anchor: str
    name: str
    form: Callable[[ChangeRequest, QueryDict], BaseForm]
    edit: Callable[..., ChangeRequest]
    arguments: Callable[[dict[str, Any]], tuple[Any, ...]]


def _fields(*names: str) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """The cleaned values of these fields, in this order."""
    return lambda data: tuple(data[name] for name in names)


def _mitigation(data: dict[str, Any]) -> tuple[Any, ...]:
    entries = [(item.driver, item.property, item.value) for item in data["entries"]]
    return data["started_on"], data["machine_type"], entries, data["reason"], data["until"]


MIGRATION = Declaration(
    "trials",
    "migrations",
    "migration_form",
    migration_form,
    edits.add_migration,
    _fields("source", "destination", "expected", "machine_type", "note"),
)
MITIGATION = Declaration(
    "changes",
    "mitigations",
    "mitigation_form",
    mitigation_form,
    edits.add_mitigation,
    _mitigation,
)
DEVICES = Declaration(
    "trials",
    "devices",
    "devices_form",
    devices_form,
    edits.choose_devices,
    _fields("devices"),
)
WAIVER = Declaration(
    "trials",
    "waivers",
    "waiver_form",
    lambda _change, data: WaiverForm(data),
    edits.waive_trial,
    _fields("source", "destination", "machine_type", "reason", "expires"),
)


@login_required
@require_POST
def migration_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Declare a migration and its outcome."""
    return _declare(request, pk, MIGRATION)


@login_required
@require_POST
def mitigation_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a mitigation."""
    return _declare(request, pk, MITIGATION)


@login_required
@require_POST
def devices_choose(request: HttpRequest, pk: int) -> HttpResponse:
    """Say which devices the trials exercise."""
    return _declare(request, pk, DEVICES)


@login_required
@require_POST
def waiver_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept a trial that ended otherwise than declared, for a while."""
    return _declare(request, pk, WAIVER)


def _declare(request: HttpRequest, pk: int, declared: Declaration) -> HttpResponse:
    """Make the edit, or show the page with what was typed and why it was not made."""
    change = visible_change(request.user, pk)
    form = declared.form(change, request.POST)

    def edit(version: int) -> ChangeRequest:
        arguments = declared.arguments(form.cleaned_data)
        return declared.edit(change, person_of(request), version, *arguments)

    if _edited(request, form, edit):
        return _back(change, declared.tab, declared.anchor)
    shown: dict[str, Any] = {declared.name: form}
    return change_page(request, change, tab=declared.tab, **shown)


@login_required
@require_POST
def backport_entry(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an entry that a backport calls for, at the end of its machine type's own ones."""
    change = visible_change(request.user, pk)
    form = RequiredEntryForm(request.POST)

    def edit(version: int) -> ChangeRequest:
        names = ("machine_type", "driver", "property", "value")
        asked = (form.cleaned_data[name] for name in names)
        return edits.add_entry(change, person_of(request), version, *asked)

    if _edited(request, form, edit):
        return _back(change, "changes", "backports")
    return change_page(request, change, tab="changes", edit_form=form)


# --- Taking back ----------------------------------------------------------------------------------


@login_required
@require_POST
def waiver_remove(request: HttpRequest, pk: int, position: int) -> HttpResponse:
    """No longer accept what the waiver was about."""
    return _remove(request, pk, position, edits.remove_waiver, "trials", "waivers")


@login_required
@require_POST
def migration_remove(request: HttpRequest, pk: int, position: int) -> HttpResponse:
    """Take a declared migration back."""
    return _remove(request, pk, position, edits.remove_migration, "trials", "migrations")


@login_required
@require_POST
def mitigation_remove(request: HttpRequest, pk: int, position: int) -> HttpResponse:
    """Take a mitigation back."""
    return _remove(request, pk, position, edits.remove_mitigation, "changes", "mitigations")


@login_required
@require_POST
def backport_remove(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Take a backport back."""
    return _remove(request, pk, slug, edits.remove_backport, "changes", "backports")


def _remove(
    request: HttpRequest,
    pk: int,
    what: int | str,
    remove: Callable[..., ChangeRequest],
    tab: str,
    anchor: str,
) -> HttpResponse:
    change = visible_change(request.user, pk)
    form = EditForm(request.POST)
    if _edited(request, form, lambda version: remove(change, person_of(request), version, what)):
        return _back(change, tab, anchor)
    return change_page(request, change, tab=tab, edit_form=form)


def _edited(request: HttpRequest, form: BaseForm, edit: Callable[[int], ChangeRequest]) -> bool:
    """Try the edit at the version that the person saw; False leaves the reason in the form."""
    if not form.is_valid():
        return False
    seen = form.cleaned_data["lock_version"]
    try:
        edited = edit(seen)
    except PolicyError as error:
        put_into(form, error)
        return False
    meanwhile.tell(request, edited, seen)
    return True


def _back(change: ChangeRequest, tab: str, anchor: str) -> HttpResponse:
    return redirect(f"{reverse('change', args=[change.pk])}?tab={tab}#{anchor}")
