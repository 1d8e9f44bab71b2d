"""Threads of a change request: asked, answered, resolved; and drafts that one person alone sees."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import own_draft, person_of, put_into, visible_change, visible_thread
from frontend.forms.changes import SaidForm
from frontend.views.change_tabs.lines import line_of
from frontend.views.changes import change_page
from policy import discussion, workflow
from policy.errors import Invalid, PolicyError
from policy.models import ChangeRequest, Thread


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
            return _drafted(request, change, comment.thread, on_line=bool(anchor))
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
    return _to(change, found)


def _reply(request: HttpRequest, change: ChangeRequest, thread: Thread) -> HttpResponse:
    form = SaidForm(request.POST)
    if form.is_valid():
        try:
            discussion.reply(thread, person_of(request), form.cleaned_data["text"])
        except PolicyError as error:
            put_into(form, error)
        else:
            return _drafted(request, change, thread, on_line=False)
    return change_page(request, change, tab="discussion", reply_form=form, about=thread.pk)


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
            return _to(change, found.thread)
    return change_page(request, change, tab="discussion", draft_form=form, about=found.pk)


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
    return redirect(f"{reverse('change', args=[change.pk])}?tab=discussion")


def _drafted(
    request: HttpRequest, change: ChangeRequest, thread: Thread, *, on_line: bool
) -> HttpResponse:
    messages.info(request, _("Kept as a draft: it is published with your vote or your comment."))
    return _to(change, thread, tab="changes" if on_line else "discussion")


def _to(change: ChangeRequest, thread: Thread, tab: str = "discussion") -> HttpResponse:
    return redirect(f"{reverse('change', args=[change.pk])}?tab={tab}#thread-{thread.pk}")
