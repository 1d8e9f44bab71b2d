"""Features that a comparison of two catalogues proposes: evidence, names, and many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from frontend.access import person_of
from frontend.forms.features import CompareForm
from frontend.questions import backporting
from machines.catalogue import NoCatalogue, effective_catalogue
from machines.models import Release
from policy.edits import library
from policy.edits.library import Tried, Wanted
from policy.errors import Invalid
from policy.models import Feature
from policy.permissions import require
from policy.rules import proposals as proposed
from policy.rules.proposals import Evidence, Proposal

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A proposal as the list shows it: the names that are typed or suggested, what speaks for it,
    the feature of the library that is the same, and what trying it came to.
    """

    proposal: Proposal
    evidence: Evidence
    recorded: Feature | None
    slug: str
    title: str
    is_chosen: bool = False
    tried: Tried | None = None

    @property
    def key(self) -> str:
        """What names the proposal in the form: its suggested identifier."""
        return self.proposal.spec.slug


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def proposals(request: HttpRequest) -> HttpResponse:
    """What ``?old=`` and ``?new=`` (releases) and ``?q=`` (words) find, by pages.

    Sent, the chosen rows are tried, every one of them, and shown with what is wrong; ``do=record``
    records them, all or none. Context: form, page (of Row), tried, problems, may_record.
    """
    require(request.user, "edit", None)
    releases = Release.objects.filter(snapshots__is_current=True).select_related("tree")
    form = CompareForm(request.GET if "old" in request.GET else None, releases=releases)
    context: dict[str, Any] = {"form": form, "page": None}
    if not form.is_bound or not form.is_valid():
        return render(request, "pages/proposals.html", context)
    try:
        found = _fitting(form.cleaned_data)
    except NoCatalogue as error:
        form.add_error(None, str(error))
        return render(request, "pages/proposals.html", context)
    if request.method == "POST":
        return _sent(request, form, found)
    return _page(request, form, found)


def _fitting(data: dict[str, Any]) -> list[Proposal]:
    words = data["q"].strip().lower()
    found = backporting.proposed(data["old"], data["new"])
    return [item for item in found if words in f"{item.spec.slug} {item.summary}".lower()]


def _sent(request: HttpRequest, form: CompareForm, found: Sequence[Proposal]) -> HttpResponse:
    """Try what is chosen, and record it where that was asked for and nothing is wrong."""
    chosen = _chosen(request.POST, found)
    new = form.cleaned_data["new"]
    wanted = [_wanted(item, request.POST) for item in chosen]
    try:
        tried = library.try_all(person_of(request), new, wanted)
    except Invalid as error:
        messages.error(request, str(error))
        return _page(request, form, found, status=422)
    problems = sum(bool(item.problem) for item in tried)
    if request.POST.get("do") == "record" and tried and not problems:
        library.record_all(person_of(request), new, wanted)
        words = ngettext(
            "%(count)d feature is in the library.", "%(count)d features are in the library.",
            len(wanted),
        )  # fmt: skip
        messages.success(request, words % {"count": len(wanted)})
        return redirect(f"{reverse('proposals')}?{request.GET.urlencode()}")
    if not tried:
        messages.error(request, _("Choose some of the proposals first."))
    return _page(request, form, found, tried, status=422 if problems or not tried else 200)


def _chosen(sent: QueryDict, found: Sequence[Proposal]) -> list[Proposal]:
    """Those that are ticked; with ``all`` every one that fits and is not recorded yet."""
    if sent.get("all"):
        recorded = backporting.recorded(found)
        return [item for item in found if item.spec.slug not in recorded]
    ticked = set(sent.getlist("chosen"))
    return [item for item in found if item.spec.slug in ticked]


def _wanted(item: Proposal, sent: QueryDict) -> Wanted:
    """The proposal under the names that were typed for it, else under those suggested."""
    slug, title = (sent.get(f"{name}:{item.spec.slug}") for name in ("slug", "title"))
    return Wanted(
        item.spec,
        item.spec.slug if slug is None else slug,
        item.spec.title if title is None else title,
    )


def _page(
    request: HttpRequest,
    form: CompareForm,
    found: Sequence[Proposal],
    tried: Sequence[Tried] = (),
    status: int = 200,
) -> HttpResponse:
    """After a try all that was tried is listed, what is wrong first; else a page of the list."""
    by_key = {item.wanted.spec.slug: item for item in tried}
    shown: Sequence[Proposal] = found
    if tried:
        shown = sorted(
            (item for item in found if item.spec.slug in by_key),
            key=lambda item: not by_key[item.spec.slug].problem,
        )
    size = len(shown) if tried else PAGE_SIZE
    page: Page[Any] = Paginator(shown, size or 1).get_page(request.GET.get("page"))
    recorded = backporting.recorded(found)
    catalogue, _source = effective_catalogue(form.cleaned_data["new"])
    page.object_list = [
        _row(item, proposed.evidence_of(item, catalogue), recorded, by_key) for item in page
    ]
    context = {
        "form": form,
        "page": page,
        "new": form.cleaned_data["new"],
        "count": len(found),
        "open_count": len(found) - len(recorded),
        "tried": tried,
        "problems": sum(bool(item.problem) for item in tried),
    }
    return render(request, "pages/proposals.html", context, status=status)


def _row(
    item: Proposal, evidence: Evidence, recorded: dict[str, Feature], tried: dict[str, Tried]
) -> Row:
    known = tried.get(item.spec.slug)
    wanted = (
        known.wanted if known is not None else Wanted(item.spec, item.spec.slug, item.spec.title)
    )
    return Row(
        item,
        evidence,
        recorded.get(item.spec.slug),
        wanted.slug,
        wanted.title,
        known is not None,
        known,
    )
