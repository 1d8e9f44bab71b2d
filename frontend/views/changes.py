"""Change requests: the list, a new one, and the page where one is edited, tried and reviewed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from frontend.access import person_of, put_into, status_of, trees_for, visible_change
from frontend.actions.changes import ACTIONS
from frontend.forms.changes import ChangeForm, DescriptionForm, ReviewForm
from frontend.numbers import number_of
from frontend.shown import review
from frontend.views import change_tabs
from frontend.views.change_tabs.checklist import checklist
from frontend.views.change_tabs.trials import trials_tab
from machines.models import Release
from policy import edits
from policy.edits import unmerged
from policy.errors import Invalid, PolicyError
from policy.models import ChangeRequest
from policy.permissions import require
from policy.review import workflow
from policy.review.blockers import blockers as blockers_of
from workers import jobs


@login_required
def change_new(request: HttpRequest) -> HttpResponse:
    """Open a change request on a release (``?release=`` preselects it), or, with ``?revert=``, one
    that brings an older revision of it back.
    """
    require(request.user, "edit", None)
    # Upstream's state is its catalogue: only a release with a base has a policy of its own.
    releases = Release.objects.filter(
        tree__in=trees_for(request.user, "edit"), base__isnull=False
    ).select_related("tree")
    initial = {
        "release": request.GET.get("release", ""),
        "revert": number_of(request.GET.get("revert", "")),
    }
    if initial["revert"]:
        initial["title"] = _("Go back to r%(number)s") % {"number": initial["revert"]}
    form = ChangeForm(request.POST or None, initial=initial, releases=releases)
    if request.method == "POST" and form.is_valid():
        try:
            change = _opened(person_of(request), form.cleaned_data)
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect("change", change.pk)
    return render(request, "pages/change_new.html", {"form": form}, status=status_of(form))


def _opened(user: User, data: dict[str, Any]) -> ChangeRequest:
    words = (user, data["title"], data["description"])
    if not data["revert"]:
        return edits.open_change(data["release"], *words)
    revision = data["release"].revisions.filter(number=data["revert"]).first()
    if revision is None:
        raise Invalid(_("The release has no such revision."), field="release")
    return edits.open_revert(revision, *words)


@login_required
@require_safe
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of a change request; ``?tab=`` names what it shows."""
    return change_page(request, visible_change(request.user, pk))


@login_required
@require_safe
def change_trials(request: HttpRequest, pk: int) -> HttpResponse:
    """The table of trials and what depends on it: what the page polls while a job is open."""
    found = visible_change(request.user, pk)
    context = {**_standing(found, request), **trials_tab(found, request)}
    return render(request, "partials/change_trials_swap.html", context)


@login_required
@require_safe
def change_published(request: HttpRequest, pk: int) -> HttpResponse:
    """The way to the bundle alone: what the page polls while that is being built."""
    found = visible_change(request.user, pk)
    return render(request, "partials/change_published.html", _standing(found, request))


def _standing(found: ChangeRequest, request: HttpRequest) -> dict[str, Any]:
    """How far the change request is, and what this person may do with it."""
    blockers = blockers_of(found) if found.is_open else ()
    available = workflow.available(found, request.user)
    return {
        "change": found,
        "available": available,
        "blockers": blockers,
        "checklist": checklist(blockers),
        **review.context(found, request.user, available),
        "bundle_job": jobs.jobs_of(found.revision).first() if found.revision else None,
    }


def change_page(
    request: HttpRequest,
    found: ChangeRequest,
    *,
    tab: str = "",
    about: int = 0,
    asked: str = "",
    **forms: BaseForm,
) -> HttpResponse:
    """Render the page. ``forms`` are those with something to correct, by their template name;
    ``about`` (a primary key) or ``asked`` (an anchor, a finding) names what such a form belongs
    to, where a page has several of it.
    """
    tab = tab or request.GET.get("tab", "changes")
    if tab not in change_tabs.TABS:
        raise Http404
    bound = next((form for form in forms.values() if form.is_bound), None)
    context = {
        **_standing(found, request),
        "tab": tab,
        "about": about,
        "review_form": ReviewForm(initial={"digest": found.digest}),
        "description_form": DescriptionForm(
            initial={"title": found.title, "description": found.description}
        ),
        **change_tabs.context(found, tab, request),
        **({"asked": asked} if asked else {}),
        "errors": _errors_apart(forms),
        "unmerged": unmerged.waiting(found, request.user),
        **forms,
    }
    status = status_of(bound) if bound else 200
    return render(request, "pages/change.html", context, status=status)


#: Forms that a page may have in many places, or in none any more: their errors stand on top, too.
_MANY = ("waiver_form", "finding_form", "ask_form", "reply_form", "draft_form", "edit_form")


def _errors_apart(forms: dict[str, BaseForm]) -> list[str]:
    """What is wrong with what was sent, as far as it might not be seen beside a field."""
    found = []
    for name, form in forms.items():
        if not form.is_bound:
            continue
        for field, errors in form.errors.items():
            hidden = field in form.fields and form.fields[field].widget.is_hidden
            if hidden or name in _MANY:
                label = form.fields[field].label if field in form.fields and not hidden else ""
                found += [f"{label}: {error}" if label else str(error) for error in errors]
    return list(dict.fromkeys(found))


@login_required
@require_POST
def change_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Save title and description."""
    found = visible_change(request.user, pk)
    form = DescriptionForm(request.POST)
    if form.is_valid():
        try:
            edits.edit_description(
                found,
                person_of(request),
                change_tabs.seen_version(request, found),
                form.cleaned_data["title"],
                form.cleaned_data["description"],
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect("change", found.pk)
    return change_page(request, found, description_form=form)


# --- What may be done with it ---------------------------------------------------------------------


_TAB_AFTER = {"comment": "discussion", "request-changes": "discussion", "run-trials": "trials"}


@login_required
@require_POST
def change_action(request: HttpRequest, pk: int, action: str) -> HttpResponse:
    """Do one of :data:`ACTIONS`; the page says afterwards what happened, or why it did not."""
    if action not in ACTIONS:
        raise Http404
    found = visible_change(request.user, pk)
    form = ReviewForm(request.POST)
    tab = _TAB_AFTER.get(action, "changes")
    if form.is_valid():
        try:
            done = ACTIONS[action](found, request.user, form.cleaned_data)
        except PolicyError as error:
            put_into(form, error)
            found.refresh_from_db()
        else:
            messages.success(request, done)
            return redirect(f"{reverse('change', args=[found.pk])}?tab={tab}")
    return change_page(request, found, tab=tab, review_form=form)
