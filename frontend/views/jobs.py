"""Long work: a person's jobs, one job's page, and what every page asks for now and then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from frontend.access import person_of
from frontend.lists import page_of
from frontend.swaps import respond
from machines.models import Snapshot
from policy.errors import Forbidden, PolicyError
from policy.models import Bundle, ChangeRequest, Trial
from policy.permissions import may
from policy.review.turns import your_turns
from workers import jobs
from workers.models import Job

MAX_NAMES = 100
#: For how long a finished job is news, and how many of them are told.
NEWS, MAX_NEWS = timedelta(minutes=10), 5
#: The kinds of things that an import counts and compares, in words.
TITLES = {
    "version": _("Version"),
    "types": _("Device types"),
    "types_with_properties": _("Device types with properties"),
    "properties": _("Properties"),
    "sections": _("Sections"),
    "machine_types": _("Machine types"),
    "compat": _("Compat properties"),
    "arrays": _("Compat arrays"),
    "array_entries": _("Entries of compat arrays"),
    "unreadable": _("Drivers that QEMU could not list"),
}
VERBS = {"added": _("new"), "removed": _("gone"), "changed": _("changed")}


@dataclass(frozen=True, slots=True)
class Kind:
    """What an import changed of one kind of thing: (verb, how many, names, how many more)."""

    title: str
    changes: list[tuple[str, int, list[str], int]]


@login_required
@require_safe
def job_list(request: HttpRequest) -> HttpResponse:
    """The person's jobs: those that wait or run, and the last ones; what others have running too.

    Context: running ([Job]), page (ended ones), others ([Job]).
    """
    user = person_of(request)
    rows = Job.objects.select_related("created_by").defer("payload", "result", "log", "error")
    mine = rows.filter(created_by=user)
    others = rows.filter(status__in=jobs.OPEN).exclude(created_by=user)
    context = {
        "running": mine.filter(status__in=jobs.OPEN),
        "page": page_of(request, mine.exclude(status__in=jobs.OPEN)),
        "others": others[:20] if may(user, "view", None) else [],
    }
    return respond(request, "pages/jobs.html", "partials/jobs.html", context)


@login_required
@require_safe
def pulse(request: HttpRequest) -> HttpResponse:
    """What every open page asks for: how many changes wait for the person, and what has ended.

    Jobs that share some work are told once, when the last of them has ended; a preview is for the
    page that asked for it alone.
    """
    mine = Job.objects.filter(created_by=person_of(request)).exclude(kind=Job.Kind.PREVIEW)
    mine = mine.defer("result", "log")
    recent = mine.filter(finished_at__gte=timezone.now() - NEWS)[: MAX_NEWS * 4]
    running = list(mine.filter(status__in=jobs.OPEN).only("payload"))
    unfinished = {job.payload.get("batch") for job in running} - {None}
    told = {job.payload.get("batch", job.pk): job for job in reversed(recent)}
    finished = [job for batch, job in told.items() if batch not in unfinished]
    context = {
        "turns": len(your_turns(request.user)),
        "finished": finished[-MAX_NEWS:],
        "busy": bool(running),
    }
    return render(request, "partials/pulse.html", context)


@login_required
@require_safe
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """The page; a request of htmx gets the part that changes."""
    found = _visible(request, pk)
    return respond(request, "pages/job.html", "partials/job.html", _context(request, found))


@login_required
@require_POST
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a job back."""
    found = _visible(request, pk)
    try:
        jobs.cancel(found, person_of(request))
    except Forbidden:
        raise
    except PolicyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("The job was told to stop."))
    return redirect("job", found.pk)


def _visible(request: HttpRequest, pk: int) -> Job:
    found = Job.objects.select_related("created_by").filter(pk=pk).first()
    if found is None or not may(request.user, "view", None):
        raise Http404
    return found


def _context(request: HttpRequest, found: Job) -> dict[str, Any]:
    result = found.result or {}
    context: dict[str, Any] = {
        "job": found,
        "progress": jobs.progress_of(found),
        "may_cancel": jobs.may_cancel(found, person_of(request)),
        "result": result,
    }
    if "snapshot" in result:
        snapshots = Snapshot.objects.select_related("release__tree").defer("content")
        context["snapshot"] = snapshots.filter(pk=result["snapshot"]).first()
        counts = context["snapshot"].report.get("counts", {}) if context["snapshot"] else {}
        context["counts"] = [(TITLES.get(key, key), n) for key, n in counts.items() if n]
        context["kinds"] = changed_kinds(result.get("changes", {}))
    if "bundle" in result:
        bundles = Bundle.objects.select_related("revision__release__tree").defer("content")
        context["bundle"] = bundles.filter(pk=result["bundle"]).first()
    if found.kind == Job.Kind.TRIALS and "change" in found.payload:
        changes = ChangeRequest.objects.defer("content")
        context["change"] = changes.filter(pk=found.payload["change"]).first()
    if found.kind == Job.Kind.SEARCH:
        context["trial"] = Trial.objects.filter(pk=found.payload["trial"]).defer("inputs").first()
    return context


def changed_kinds(changes: dict[str, Any]) -> list[Kind]:
    """A comparison of catalogues (machines.comparison), ready to be listed."""
    found = []
    for kind, by_verb in changes.items():
        rows = []
        for verb, word in VERBS.items():
            names = by_verb.get(verb, {"count": 0, "names": []})
            shown = names["names"][:MAX_NAMES]
            if names["count"]:
                rows.append((str(word), names["count"], shown, names["count"] - len(shown)))
        found.append(Kind(str(TITLES.get(kind, kind)), rows))
    return found
