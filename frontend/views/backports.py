"""A feature's way into a release, in three steps that the address tells and that can be left.

1. the feature: from the library, or from what a comparison of two catalogues proposes
2. the target: a release, and the change request that takes it
3. the consequences: why, and what follows, before it is saved

What is typed in the third step is kept in the change request (:mod:`policy.edits.begun`) until the
backport is saved or dropped.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from frontend import meanwhile
from frontend.access import (
    demand,
    person_of,
    put_into,
    status_of,
    trees_for,
    visible_change,
)
from frontend.forms.features import (
    BackportForm,
    CompareForm,
    FeatureForm,
    KeptForm,
    TargetForm,
)
from frontend.questions import backporting
from frontend.views.features import feature_of
from machines.catalogue import NoCatalogue
from machines.models import Release
from policy import edits
from policy.edits import begun
from policy.errors import PolicyError
from policy.models import ChangeRequest, Feature
from policy.permissions import require

PROPOSALS_SHOWN = 60


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def backport_new(request: HttpRequest, pk: int) -> HttpResponse:
    """The first step within a change request, or the last one of the feature ``?feature=``.

    ``?old=&new=&propose=`` names a proposal that is to be recorded as a feature first.
    """
    change = visible_change(request.user, pk)
    demand(request.user, "edit", change.release.tree)
    if not change.is_editable:
        return redirect("change", change.pk)
    if slug := request.GET.get("feature", ""):
        return _consequences(request, change, feature_of(slug))
    return _choose(request, change)


# --- 1. The feature -------------------------------------------------------------------------------


def _choose(
    request: HttpRequest, change: ChangeRequest, form: FeatureForm | None = None
) -> HttpResponse:
    """The library beside what a comparison proposes."""
    compare = CompareForm(
        request.GET if "old" in request.GET else None,
        initial={"old": change.release.base_id or change.release_id},
        releases=Release.objects.filter(snapshots__is_current=True).select_related("tree"),
    )
    context: dict[str, Any] = {"change": change, "compare_form": compare, "step": 1}
    if compare.is_bound and compare.is_valid():
        context |= _proposals(request, compare)
    if chosen := context.get("chosen"):
        initial = {"slug": chosen.spec.slug, "title": chosen.spec.title}
        context["feature_form"] = form or FeatureForm(initial=initial)
    context["library"] = Feature.objects.select_related("introduced__tree")[:PROPOSALS_SHOWN]
    context["taken"] = {item.feature.slug for item in change.policy.backports}
    context["begun"] = {item.feature.slug for item in begun.begun_of(change)}
    status = status_of(form) if form else 200
    return render(request, "pages/backport_new.html", context, status=status)


def _proposals(request: HttpRequest, compare: CompareForm) -> dict[str, Any]:
    data = compare.cleaned_data
    try:
        found = backporting.proposed(data["old"], data["new"])
    except NoCatalogue as error:
        compare.add_error(None, str(error))
        return {}
    words = data["q"].strip().lower()
    fitting = [item for item in found if words in f"{item.spec.slug} {item.summary}".lower()]
    wanted = request.GET.get("propose", "")
    return {
        "proposals": fitting[:PROPOSALS_SHOWN],
        "proposal_count": len(fitting),
        "chosen": next((item for item in found if item.spec.slug == wanted), None),
        "comparison": urlencode({"old": data["old"].pk, "new": data["new"].pk, "q": data["q"]}),
    }


@login_required
@require_POST
def feature_record(request: HttpRequest, pk: int) -> HttpResponse:
    """Record the proposal that the address names in the library, and go on with it."""
    change = visible_change(request.user, pk)
    demand(request.user, "edit", change.release.tree)
    compare = CompareForm(request.GET, releases=Release.objects.select_related("tree"))
    if not compare.is_valid():
        raise Http404
    chosen = _proposals(request, compare).get("chosen")
    if chosen is None:
        raise Http404
    form = FeatureForm(request.POST)
    if form.is_valid():
        spec = chosen.spec
        try:
            recorded = edits.record_feature(
                person_of(request),
                compare.cleaned_data["new"],
                form.cleaned_data["slug"],
                form.cleaned_data["title"],
                form.cleaned_data["description"],
                spec.device,
                [{**asdict(item), "fields": list(item.fields)} for item in spec.carriers],
                asdict(spec.gate) if spec.gate else None,
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect(_step(change, recorded))
    return _choose(request, change, form)


# --- 2. The target --------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def backport_target(request: HttpRequest, slug: str) -> HttpResponse:
    """Which release takes the feature, and in which change request: an open one, or a new one.

    Context: feature, step, targets (frontend.questions.backporting.Target), form, change (the one
    that ``?change=`` came from).
    """
    require(request.user, "edit", None)
    chosen = feature_of(slug)
    form = TargetForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            change = _begin(request, chosen, form.cleaned_data)
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect(_step(change, chosen))
    context = {
        "feature": chosen,
        "step": 2,
        "targets": backporting.targets_of(request.user, chosen),
        "form": form,
    }
    return render(request, "pages/backport_target.html", context, status=status_of(form))


@transaction.atomic
def _begin(request: HttpRequest, chosen: Feature, data: dict[str, Any]) -> ChangeRequest:
    """The change request that takes it, in which the backport is begun. Raises PolicyError."""
    if data["change"]:
        change = visible_change(request.user, data["change"])
    else:
        trees = trees_for(request.user, "edit")
        release = Release.objects.filter(pk=data["release"], tree__in=trees).first()
        if release is None:
            raise Http404
        title = _("Backport %(feature)s") % {"feature": chosen.title}
        change = edits.open_change(release, person_of(request), title[:200], "")
    begun.keep(change, person_of(request), chosen)
    return change


# --- 3. The consequences --------------------------------------------------------------------------


def _consequences(request: HttpRequest, change: ChangeRequest, chosen: Feature) -> HttpResponse:
    """Why, and what follows; sending it saves the backport."""
    kept = change.begun.filter(feature=chosen).first()
    initial = {"lock_version": change.lock_version}
    if kept is not None:
        initial |= {name: getattr(kept, name) for name in ("commit", "tracker", "justification")}
    form = BackportForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            _take(request, change, chosen, form.cleaned_data)
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect(f"{reverse('change', args=[change.pk])}?tab=changes#backports")
    context: dict[str, Any] = {
        "change": change,
        "feature": chosen,
        "form": form,
        "step": 3,
        "kept": kept,
    }
    try:
        context["consequences"] = backporting.consequences(change, request.user, chosen)
    except PolicyError as error:
        context["problem"] = str(error)
    return render(request, "pages/backport_new.html", context, status=status_of(form))


@transaction.atomic
def _take(
    request: HttpRequest, change: ChangeRequest, chosen: Feature, data: dict[str, Any]
) -> None:
    edited = edits.add_backport(
        change,
        person_of(request),
        data["lock_version"],
        chosen,
        data["commit"],
        data["tracker"],
        data["justification"],
    )
    meanwhile.tell(request, edited, data["lock_version"])
    begun.drop(change, person_of(request), chosen)


@login_required
@require_POST
def backport_keep(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Keep what is typed so far; ``then`` says whether one goes on, or back to the change."""
    change = visible_change(request.user, pk)
    chosen = feature_of(slug)
    if _quietly(request) and _has(change, slug):
        return HttpResponse(status=204)  # it was saved while this was on its way
    form = KeptForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            begun.keep(
                change,
                person_of(request),
                chosen,
                data["commit"],
                data["tracker"],
                data["justification"],
            )
        except PolicyError as error:
            # It may have been saved just now, after the look above.
            if _quietly(request) and _has(visible_change(request.user, pk), slug):
                return HttpResponse(status=204)
            put_into(form, error)
        else:
            return (
                render(request, "partials/backport_kept.html")
                if _quietly(request)
                else _left(request, change)
            )
    context = {"form": form}
    return render(request, "partials/backport_kept.html", context, status=status_of(form))


def _has(change: ChangeRequest, slug: str) -> bool:
    return any(item.feature.slug == slug for item in change.policy.backports)


def _quietly(request: HttpRequest) -> bool:
    """Is it kept by the way, while somebody types?"""
    return bool(request.htmx)  # type: ignore[attr-defined]


def _left(request: HttpRequest, change: ChangeRequest) -> HttpResponse:
    messages.success(request, _("Kept: go on with it from here whenever you like."))
    return redirect(f"{reverse('change', args=[change.pk])}?tab=changes#begun")


@login_required
@require_POST
def backport_drop(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """No longer prepare it."""
    change = visible_change(request.user, pk)
    begun.drop(change, person_of(request), feature_of(slug))
    messages.success(request, _("Dropped: nothing of it was part of the draft."))
    return redirect(f"{reverse('change', args=[change.pk])}?tab=changes")


def _step(change: ChangeRequest, chosen: Feature) -> str:
    return f"{reverse('backport-new', args=[change.pk])}?feature={chosen.slug}"
