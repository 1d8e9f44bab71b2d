"""The tab of findings: what the rules say of the draft."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.translation import gettext as _

from frontend.forms.changes import FindingWaiverForm
from frontend.views.change_tabs.waivers import waivers_of
from machines.catalogue import NoCatalogue
from policy.document.differences import Difference
from policy.models import ChangeRequest
from policy.review import examining
from policy.review.examining import CheckedFinding

#: Each has forms to settle or to waive it: a first policy of many machine types has hundreds.
SHOWN = 30


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The findings of one severity that the page shows, of ``total``."""

    name: str
    title: str
    meaning: str
    findings: list[CheckedFinding]
    total: int


def context(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    try:
        checked = examining.findings_of(change)
    except NoCatalogue as error:
        return {"finding_groups": [], "finding_problem": str(error)}
    words = {
        "error": (_("Errors"), _("in the way of publishing until they are settled or waived")),
        "warning": (_("Warnings"), _("worth a look; nothing waits for them")),
        "note": (_("Notes"), _("what is known, and changes no migration")),
    }
    totals = Counter(str(item.finding.severity) for item in checked)
    page = Paginator(checked, SHOWN).get_page(_page_of(checked, request))
    shown = list(page.object_list)
    groups = [
        FindingGroup(
            name, *texts, [item for item in shown if item.finding.severity == name], totals[name]
        )
        for name, texts in words.items()
    ]
    return {
        "page": page,
        "finding_groups": [group for group in groups if group.findings],
        "waivers": [item for item in waivers_of(change) if item.waiver.finding],
        "finding_form": FindingWaiverForm(),
    }


def _page_of(checked: Sequence[CheckedFinding], request: HttpRequest) -> int | str:
    """The page that is asked for, or that of the finding which is named."""
    sent = request.resolver_match.kwargs if request.resolver_match else {}
    named = sent.get("identity") or request.GET.get("finding")
    for number, item in enumerate(checked):
        if item.finding.identity == named:
            return number // SHOWN + 1
    return request.GET.get("page", 1)
