"""The stream inspector: uploads, what is in one, and whether a release would load it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from frontend import uploads
from frontend.access import person_of, put_into, status_of, visible_stream
from frontend.actions import streams as actions
from frontend.forms.streams import ShareForm, StreamForm, VerdictForm
from frontend.questions import ends
from frontend.questions.mitigating import Remedy, changes_for
from frontend.shown.anatomy import address_of, part_asked, window_of
from frontend.swaps import is_swap, respond
from machines import kept_streams
from machines.emulator.catalogue import CompatProperty
from machines.models import Release, Stream, StreamPart, Tree
from policy.errors import Invalid, PolicyError
from policy.models import ChangeRequest, StreamVerdict
from policy.permissions import require
from policy.trials import streams as policy_streams
from workers import jobs
from workers.models import Job

PAGE, BODY = "pages/stream.html", "partials/stream.html"
#: Verdicts that a stream's page lists.
MAX_LISTED = 10


# --- The list, and uploading ----------------------------------------------------------------------


@csrf_exempt  # the inner view protects: the form must not be read before its limit is set
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def streams(request: HttpRequest) -> HttpResponse:
    """Everything that the person may look at, and the form for more."""
    if request.method != "POST":
        return _list(request, StreamForm())
    try:
        policy_streams.require_room(person_of(request))
    except Invalid as error:
        form = StreamForm({})
        form.errors.clear()
        put_into(form, error)
        return _list(request, form)
    if uploads.announces_too_much(request):
        return _too_large(request)
    handler = uploads.receive(request)
    try:
        return _upload(request, handler)
    finally:
        handler.discard()


@csrf_protect
def _upload(request: HttpRequest, handler: uploads.StreamUpload) -> HttpResponse:
    form = StreamForm(request.POST, request.FILES)
    if handler.too_large:
        return _too_large(request)
    if form.is_valid():
        try:
            stream = actions.take_in(person_of(request), form.cleaned_data["file"])
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect("stream", stream.pk)
    return _list(request, form)


def _too_large(request: HttpRequest) -> HttpResponse:
    form = StreamForm({})
    form.errors.clear()
    form.add_error("file", uploads.too_large())
    form.http_status = 413  # type: ignore[attr-defined]
    return _list(request, form)


def _list(request: HttpRequest, form: BaseForm) -> HttpResponse:
    user = person_of(request)
    require(user, "view", None)
    count, size = kept_streams.used_by(user)
    context = {
        "form": form,
        "streams": visible(user).select_related("owner", "tree"),
        "used": count,
        "used_bytes": size,
        "most": kept_streams.MAX_STREAMS,
        "most_bytes": kept_streams.MAX_KEPT_BYTES,
        "days": kept_streams.KEPT_UPLOAD.days,
    }
    return render(request, "pages/streams.html", context, status=status_of(form))


def visible(user: User) -> Any:
    """The uploads that the person sees, the newest first, at most so many."""
    return policy_streams.visible_to(user)[:200]


# --- One stream -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict with the addresses of what it speaks of. ``place`` shows the section's bytes,
    ``profile`` is the stream that it was read beside, where the person may see that one too.
    ``remedies``: sets of entries that would let it in, which ``changes`` may take.
    """

    verdict: StreamVerdict
    profile: Stream | None
    job: Job | None
    place: str
    remedies: tuple[Remedy, ...]
    changes: list[ChangeRequest]
    device: str


@login_required
@require_safe
def stream(request: HttpRequest, pk: int) -> HttpResponse:
    """What is in a stream (:mod:`frontend.shown.anatomy`), and what releases would say of it."""
    found = visible_stream(person_of(request), pk)
    if part := part_asked(request):
        return render(request, part, {"window": window_of(found, request.GET)})
    return respond(request, PAGE, BODY, _context(request, found))


def _context(
    request: HttpRequest, found: Stream, form: VerdictForm | None = None
) -> dict[str, Any]:
    """``job`` reads the stream while it waits; ``answers``: the verdicts, the newest first;
    ``judging``: one of them is still to come.
    """
    user = person_of(request)
    return {
        "stream": found,
        "job": jobs.jobs_of(found).first() if found.state == Stream.State.WAITING else None,
        "window": window_of(found, request.GET),
        "form": form or _form(user, found, None),
        "picker_adds": [("id_properties", _("Add"))],
        **_answers(user, found),
        "own": user.is_superuser or found.owner_id == user.pk,
        "share": ShareForm(initial={"tree": found.tree}, trees=_own_trees(user)),
    }


def _form(user: User, found: Stream, data: Any) -> VerdictForm:
    return VerdictForm(
        data,
        stream=found,
        ends=ends.choices(user),
        releases=[(item.label, item.label) for item in Release.objects.select_related("tree")],
        profiles=policy_streams.visible_to(user).exclude(pk=found.pk).filter(state="read"),
    )


def _own_trees(user: User) -> Any:
    if user.is_superuser:
        return Tree.objects.all()
    return Tree.objects.filter(memberships__user=user).distinct()


def _answers(user: User, found: Stream) -> dict[str, Any]:
    rows = found.verdicts.select_related(
        "release__tree", "change_request", "started_on__tree", "asked_by"
    )
    answers = _answered(user, found, list(rows[:MAX_LISTED]))
    judging = any(item.job is not None and item.job.is_open for item in answers)
    return {"answers": answers, "judging": judging}


def _answered(user: User, found: Stream, verdicts: list[StreamVerdict]) -> list[Answer]:
    """What a page shows of a stream's verdicts; as many queries for several as for one."""
    profiles = policy_streams.visible_to(user).in_bulk({item.profile_id for item in verdicts})
    refused = {(item.result or {}).get("section") for item in verdicts} - {None}
    parts = {part.name: part for part in found.parts.filter(name__in=refused).reverse()}
    offers: dict[tuple[int, int | None], list[ChangeRequest]] = {}
    answers = []
    for verdict in verdicts:
        remedies = tuple(_remedies(found, verdict))
        asked = (verdict.release_id, verdict.change_request_id)
        if remedies and verdict.started_on is not None and asked not in offers:
            offers[asked] = _changes(user, verdict)
        result = verdict.result or {}
        waits = verdict.state == StreamVerdict.State.QUEUED
        answers.append(
            Answer(
                verdict=verdict,
                profile=profiles.get(verdict.profile_id),
                job=jobs.jobs_of(verdict).first() if waits else None,
                place=_place(parts.get(result.get("section") or ""), result.get("field") or ""),
                remedies=remedies,
                changes=offers.get(asked, []) if verdict.started_on is not None else [],
                device=(result.get("suggestion") or "").partition(".")[0],
            )
        )
    return answers


def _remedies(found: Stream, verdict: StreamVerdict) -> Iterator[Remedy]:
    started_on = verdict.started_on.label if verdict.started_on else ""
    reason = _("Without it the stream %(name)s is refused.") % {"name": found.name}
    for suggested in (verdict.result or {}).get("suggestions", ()):
        entries = tuple(CompatProperty(*item) for item in suggested)
        yield Remedy(started_on, verdict.machine_type, entries, reason)


def _changes(user: User, verdict: StreamVerdict) -> list[ChangeRequest]:
    try:
        value = f"change-{verdict.change_request_id}" if verdict.change_request_id else ""
        end = ends.end_of(user, value or verdict.release.label, "into")
    except Invalid:
        return []
    return changes_for(user, end)


def _place(part: StreamPart | None, field: str) -> str:
    """The query that shows the section and field of a refusal; empty where it names none."""
    return address_of(part.name, part.instance_id, field) if part is not None else ""


# --- What is done with one ------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def verdicts(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the verdicts, which a page asks for while one is open. POST: ask; a job answers."""
    user = person_of(request)
    found = visible_stream(user, pk)
    page = f"{reverse('stream', args=[found.pk])}#verdicts"
    if request.method != "POST":
        context = {"stream": found, **_answers(user, found)}
        if not is_swap(request):
            return redirect(page)
        return render(request, "partials/stream_answers.html", context)
    form = _form(user, found, request.POST)
    if form.is_valid():
        try:
            actions.ask(user, found, form.cleaned_data)
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect(page)
    return respond(request, PAGE, BODY, _context(request, found, form), status_of(form))


@login_required
@require_POST
def stream_share(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the people of a tree look at it, or nobody any more."""
    user = person_of(request)
    found = visible_stream(user, pk)
    form = ShareForm(request.POST, trees=_own_trees(user))
    if form.is_valid():
        policy_streams.share(user, found, form.cleaned_data["tree"])
        messages.success(request, _("Saved."))
    else:
        messages.error(request, " ".join(map(str, form.errors["tree"])))
    return redirect("stream", found.pk)


@login_required
@require_POST
def stream_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a stream away."""
    user = person_of(request)
    found = visible_stream(user, pk)
    name = found.name
    policy_streams.delete(user, found)
    messages.success(request, _("%(name)s is deleted.") % {"name": name})
    return redirect("streams")
