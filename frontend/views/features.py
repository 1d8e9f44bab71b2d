"""The library of features, and the way of one into a release: a backport in a change request."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import F, Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from frontend.access import demand, person_of, put_into, status_of, visible_change
from frontend.forms.features import BackportForm, CompareForm, FeatureForm
from machines.catalogue import NoCatalogue, effective_catalogue
from machines.emulator import qdev
from machines.models import Release
from policy import edits, examining, proposals, rules, state
from policy.backporting import Effects
from policy.bitmaps import SectionBitmap
from policy.errors import PolicyError
from policy.models import ChangeRequest, Feature, Revision
from policy.permissions import require
from policy.proposals import Proposal
from policy.state import State

PROPOSALS_SHOWN = 60


@login_required
@require_safe
def feature(request: HttpRequest, slug: str) -> HttpResponse:
    """One feature: what carries it, what switches it, and which releases have taken it."""
    require(request.user, "view", None)
    rows = Feature.objects.select_related("introduced__tree", "created_by")
    found = rows.filter(slug=slug).first()
    if found is None:
        raise Http404
    context = {
        "feature": found,
        "revisions": _revisions_with(slug),
        "changes": _open_changes_with(slug),
    }
    return render(request, "pages/feature.html", context)


def _revisions_with(slug: str) -> Any:
    """The newest revision of each release that backports the feature."""
    newest = Revision.objects.annotate(newest=Max("release__revisions__number"))
    return (
        newest.filter(number=F("newest"), content__contains=f'"slug":"{slug}"')
        .select_related("release__tree")
        .defer("content")
    )


def _open_changes_with(slug: str) -> Any:
    closed = (ChangeRequest.Status.PUBLISHED, ChangeRequest.Status.WITHDRAWN)
    listed = ChangeRequest.objects.exclude(status__in=closed)
    having = [
        pk
        for pk, backports in listed.values_list("pk", "content__backports")
        if any(item["feature"]["slug"] == slug for item in backports or ())
    ]
    return (
        ChangeRequest.objects.filter(pk__in=having)
        .select_related("release__tree", "author")
        .defer("content")
    )


# --- A backport, in steps that the address tells --------------------------------------------------


@login_required
def backport_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose a feature (or a proposal to record as one), then justify it and see what follows.

    ``?feature=`` names the chosen feature, ``?old=&new=&propose=`` the chosen proposal: a step can
    be left and come back to.
    """
    change = visible_change(request.user, pk)
    demand(request.user, "edit", change.release.tree)
    if not change.is_editable:
        return redirect("change", change.pk)
    if slug := request.GET.get("feature", ""):
        return _justify(request, change, slug)
    return _choose(request, change)


def _choose(
    request: HttpRequest, change: ChangeRequest, form: FeatureForm | None = None
) -> HttpResponse:
    """The first step: the library beside what a comparison proposes."""
    releases = Release.objects.filter(snapshots__is_current=True).select_related("tree")
    compare = CompareForm(
        request.GET if "old" in request.GET else None,
        initial={"old": change.release.base_id or change.release_id},
        releases=releases,
    )
    context: dict[str, Any] = {"change": change, "compare_form": compare, "step": 1}
    if compare.is_bound and compare.is_valid():
        context |= _proposals(request, compare)
    if chosen := context.get("chosen"):
        initial = {"slug": chosen.spec.slug, "title": chosen.spec.title}
        context["feature_form"] = form or FeatureForm(initial=initial)
    context["library"] = Feature.objects.select_related("introduced__tree")[:PROPOSALS_SHOWN]
    context["taken"] = {item.feature.slug for item in change.policy.backports}
    status = status_of(form) if form else 200
    return render(request, "pages/backport_new.html", context, status=status)


def _proposals(request: HttpRequest, compare: CompareForm) -> dict[str, Any]:
    data = compare.cleaned_data
    try:
        found = proposed(data["old"], data["new"])
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


def proposed(old: Release, new: Release) -> tuple[Proposal, ...]:
    """What the newer release's catalogue has gained. Raises ``NoCatalogue``."""
    return proposals.propose(effective_catalogue(old)[0], effective_catalogue(new)[0])


@login_required
@require_POST
def feature_record(request: HttpRequest, pk: int) -> HttpResponse:
    """Record the proposal that the address names in the library, and go on with it."""
    change = visible_change(request.user, pk)
    demand(request.user, "edit", change.release.tree)
    releases = Release.objects.select_related("tree")
    compare = CompareForm(request.GET, releases=releases)
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
            return redirect(f"{reverse('backport-new', args=[change.pk])}?feature={recorded.slug}")
    return _choose(request, change, form)


def _justify(request: HttpRequest, change: ChangeRequest, slug: str) -> HttpResponse:
    """The second step: why, and what follows; saving it is the third."""
    chosen = Feature.objects.select_related("introduced__tree").filter(slug=slug).first()
    if chosen is None:
        raise Http404
    form = BackportForm(request.POST or None, initial={"lock_version": change.lock_version})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            edits.add_backport(
                change,
                person_of(request),
                data["lock_version"],
                chosen,
                data["commit"],
                data["tracker"],
                data["justification"],
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect(f"{reverse('change', args=[change.pk])}?tab=changes#backports")
    context: dict[str, Any] = {"change": change, "feature": chosen, "form": form, "step": 2}
    try:
        context["consequences"] = consequences(change, request.user, chosen)
    except PolicyError as error:
        context["problem"] = str(error)
    return render(request, "pages/backport_new.html", context, status=status_of(form))


@dataclass(frozen=True, slots=True)
class SectionChange:
    """A section that changes alike on some machine types; None where it is not there before."""

    device: str
    before: SectionBitmap | None
    after: SectionBitmap
    machine_types: list[str]


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a backport would change in its device's sections, and what else follows from it."""

    sections: list[SectionChange]
    effects: Effects


def consequences(change: ChangeRequest, user: Any, chosen: Feature) -> Consequences:
    """What follows from the backport, before it is saved. Raises ``PolicyError``.

    The edit is made and taken back, so that what is shown is what saving does.
    """
    with transaction.atomic():
        before = _draft(change)
        edited = edits.add_backport(
            change, user, change.lock_version, chosen, "", "", "to see what follows"
        )
        after = _draft(edited)
        found = examining.effects_of(edited.policy, change.release, chosen.slug)
        transaction.set_rollback(True)
    return Consequences(section_changes(before, after, chosen.device), found)


def _draft(change: ChangeRequest) -> State:
    try:
        return state.draft(change)
    except NoCatalogue as error:
        raise PolicyError(str(error)) from error


def section_changes(before: State, after: State, device: str) -> list[SectionChange]:
    """The device's sections, and its descendants', that differ on any machine type."""
    devices = [
        name
        for name in sorted(after.catalogue.descriptions)
        if device in qdev.ancestors(after.catalogue, name)
    ]
    found: dict[Any, SectionChange] = {}
    for name in rules.machine_types(after) or ("",):
        for driver in devices:
            was = {
                item.path: item
                for item in rules.device_bitmaps(before.policy, before.catalogue, name, driver)
            }
            for item in rules.device_bitmaps(after.policy, after.catalogue, name, driver):
                old = was.get(item.path)
                if old != item:
                    key = (driver, old, item)
                    found.setdefault(key, SectionChange(driver, old, item, []))
                    found[key].machine_types.append(name)
    return list(found.values())
