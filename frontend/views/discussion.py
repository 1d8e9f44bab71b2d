"""Threads of a change request: asked, answered, resolved; and drafts that one person alone sees."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import (
    own_draft,
    person_of,
    put_into,
    status_of,
    visible_change,
    visible_thread,
)
from frontend.forms.changes import SaidForm
from frontend.swaps import is_swap
from frontend.views.change_tabs.checklist import checklist
from frontend.views.change_tabs.lines import line_of, shown_line
from frontend.views.changes import change_page
from policy.errors import Invalid, PolicyError
from policy.models import ChangeRequest, Thread
from policy.review import discussion, workflow
from policy.review.blockers import blockers


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def threads(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a new thread (``?line=`` names the line by its anchor), and what it sends."""
    change = visible_change(request.user, pk)
    if request.method == "POST":
        return _ask(request, change)
    context = {
        "change": change,
        "available": workflow.available(change, request.user),
        "anchor": request.GET.get("line", ""),
        "ask_form": SaidForm(),
    }
    return render(request, "partials/ask.html", context)


def _ask(request: HttpRequest, change: ChangeRequest) -> HttpResponse:
    form = SaidForm(request.POST)
    anchor = request.POST.get("line", "")
    if form.is_valid():
        try:
            group, label = _place(change, anchor)
            comment = discussion.ask(
                change, person_of(request), form.cleaned_data["text"], group, label
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            return _asked(request, change, comment.thread, anchor)
    if anchor and is_swap(request):
        return _line(request, change, anchor, form)
    tab = "changes" if anchor else "discussion"
    return change_page(request, change, tab=tab, asked=anchor, ask_form=form)


def _place(change: ChangeRequest, anchor: str) -> tuple[str, str]:
    """Group and label of the line. Raises Invalid where the difference has it no more."""
    if not anchor:
        return "", ""
    line = line_of(change, anchor)
    if line is None:
        raise Invalid(_("The line is no longer part of the difference: it was edited meanwhile."))
    return line.group, line.label


@login_required
@require_POST
def thread_action(request: HttpRequest, pk: int, thread: int, action: str) -> HttpResponse:
    """Draft a reply, or say that the thread is resolved, or open again."""
    change = visible_change(request.user, pk)
    found = visible_thread(change, request.user, thread)
    if action == "reply":
        return _reply(request, change, found)
    if action not in {"resolve", "reopen"}:
        raise Http404
    form = SaidForm(request.POST)
    try:
        if action == "resolve":
            discussion.resolve(found, person_of(request))
        else:
            discussion.reopen(found, person_of(request))
    except PolicyError as error:
        put_into(form, error)
        return change_page(request, change, tab="discussion", ask_form=form)
    return _thread(request, change, found)


def _reply(request: HttpRequest, change: ChangeRequest, thread: Thread) -> HttpResponse:
    form = SaidForm(request.POST)
    if form.is_valid():
        try:
            discussion.reply(thread, person_of(request), form.cleaned_data["text"])
        except PolicyError as error:
            put_into(form, error)
        else:
            return _thread(request, change, thread, str(_DRAFTED))
    return _to_correct(request, change, thread, thread.pk, reply_form=form)


@login_required
@require_POST
def draft_edit(request: HttpRequest, pk: int, comment: int) -> HttpResponse:
    """Put a draft in other words."""
    change = visible_change(request.user, pk)
    found = own_draft(change, request.user, comment)
    form = SaidForm(request.POST)
    if form.is_valid():
        try:
            discussion.rewrite(found, person_of(request), form.cleaned_data["text"])
        except PolicyError as error:
            put_into(form, error)
        else:
            return _thread(request, change, found.thread)
    return _to_correct(request, change, found.thread, found.pk, draft_form=form)


@login_required
@require_POST
def draft_discard(request: HttpRequest, pk: int, comment: int) -> HttpResponse:
    """Throw a draft away."""
    change = visible_change(request.user, pk)
    found = own_draft(change, request.user, comment)
    try:
        discussion.discard(found, person_of(request))
    except Invalid as error:
        messages.error(request, str(error))
    return _thread(request, change, found.thread)


# --- What comes back ------------------------------------------------------------------------------

_DRAFTED = gettext_lazy("Kept as a draft: it is published with your vote or your comment.")


def _asked(
    request: HttpRequest, change: ChangeRequest, thread: Thread, anchor: str
) -> HttpResponse:
    """To the new thread: the line that it is on, alone for a swap."""
    if anchor and is_swap(request):
        return _line(request, change, anchor, SaidForm())
    messages.info(request, _DRAFTED)
    return _to(change, thread, tab="changes" if anchor else "discussion")


def _line(request: HttpRequest, change: ChangeRequest, anchor: str, form: SaidForm) -> HttpResponse:
    """The line with its threads, and with the form where there is something to correct."""
    line = shown_line(change, request.user, anchor)
    if line is None:
        return change_page(request, change, tab="changes", ask_form=form)
    context = {
        "change": change,
        "line": line,
        "asked": anchor if form.is_bound else "",
        "ask_form": form,
        **_beside(request, change),
    }
    template = "partials/change_line_swap.html"
    return render(request, template, context, status=status_of(form))


def _thread(
    request: HttpRequest, change: ChangeRequest, thread: Thread, words: str = ""
) -> HttpResponse:
    """The thread as it is now, alone for a swap; nothing where it went with its last draft."""
    found = [item for item in discussion.threads(change, request.user) if item.pk == thread.pk]
    if is_swap(request):
        context = {"thread": found[0] if found else None, **_settled(request, change)}
        return render(request, "partials/change_thread_swap.html", context)
    if words:
        messages.info(request, words)
    if not found:
        return redirect(f"{reverse('change', args=[change.pk])}?tab=discussion")
    return _to(change, thread)


def _to_correct(
    request: HttpRequest, change: ChangeRequest, thread: Thread, about: int, **forms: Any
) -> HttpResponse:
    """The thread with a form that cannot be taken as it is; ``about`` is what the form is of."""
    if not is_swap(request):
        return change_page(request, change, tab="discussion", about=about, **forms)
    [found] = [item for item in discussion.threads(change, request.user) if item.pk == thread.pk]
    context = {"thread": found, "about": about, **_settled(request, change), **forms}
    [form] = forms.values()
    return render(request, "partials/change_thread_swap.html", context, status=status_of(form))


def _beside(request: HttpRequest, change: ChangeRequest) -> dict[str, Any]:
    return {
        "change": change,
        "available": workflow.available(change, request.user),
        "draft_count": discussion.drafts_of(change, request.user).count(),
    }


def _settled(request: HttpRequest, change: ChangeRequest) -> dict[str, Any]:
    """What an open thread stands in the way of comes along with it."""
    return {**_beside(request, change), "checklist": checklist(blockers(change))}


def _to(change: ChangeRequest, thread: Thread, tab: str = "discussion") -> HttpResponse:
    return redirect(f"{reverse('change', args=[change.pk])}?tab={tab}#thread-{thread.pk}")
