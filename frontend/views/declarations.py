"""Edits in place of what a change request declares: migrations, mitigations, waivers."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from frontend.access import person_of, put_into, visible_change
from frontend.forms.changes import EditForm, WaiverForm
from frontend.views.change_tabs import devices_form, migration_form, mitigation_form
from frontend.views.changes import change_page
from policy import edits
from policy.errors import PolicyError
from policy.models import ChangeRequest


def _back(change: ChangeRequest, tab: str, anchor: str) -> HttpResponse:
    return redirect(f"{reverse('change', args=[change.pk])}?tab={tab}#{anchor}")


@login_required
@require_POST
def migration_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Declare a migration and its outcome."""
    change = visible_change(request.user, pk)
    form = migration_form(change, request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            edits.add_migration(
                change,
                person_of(request),
                data["lock_version"],
                data["source"],
                data["destination"],
                data["expected"],
                data["machine_type"],
                data["note"],
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            return _back(change, "trials", "migrations")
    return change_page(request, change, tab="trials", migration_form=form)


@login_required
@require_POST
def mitigation_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a mitigation."""
    change = visible_change(request.user, pk)
    form = mitigation_form(change, request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            edits.add_mitigation(
                change,
                person_of(request),
                data["lock_version"],
                data["started_on"],
                data["machine_type"],
                [(item.driver, item.property, item.value) for item in data["entries"]],
                data["reason"],
                data["until"],
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            return _back(change, "changes", "mitigations")
    return change_page(request, change, tab="changes", mitigation_form=form)


@login_required
@require_POST
def devices_choose(request: HttpRequest, pk: int) -> HttpResponse:
    """Say which devices the trials exercise."""
    change = visible_change(request.user, pk)
    form = devices_form(change, request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            edits.choose_devices(change, person_of(request), data["lock_version"], data["devices"])
        except PolicyError as error:
            put_into(form, error)
        else:
            return _back(change, "trials", "devices")
    return change_page(request, change, tab="trials", devices_form=form)


@login_required
@require_POST
def waiver_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept a trial that ended otherwise than declared, for a while."""
    change = visible_change(request.user, pk)
    form = WaiverForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            edits.waive_trial(
                change,
                person_of(request),
                data["lock_version"],
                data["source"],
                data["destination"],
                data["machine_type"],
                data["reason"],
                data["expires"],
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            return _back(change, "trials", "waivers")
    return change_page(request, change, tab="trials", waiver_form=form)


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
    return _remove(request, pk, slug, edits.remove_backport, "changes", "changes")


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
    if form.is_valid():
        try:
            remove(change, request.user, form.cleaned_data["lock_version"], what)
        except PolicyError as error:
            put_into(form, error)
        else:
            return _back(change, tab, anchor)
    return change_page(request, change, tab=tab, edit_form=form)
