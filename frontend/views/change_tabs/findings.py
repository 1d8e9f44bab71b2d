"""The tab of findings: what the rules say of the draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from frontend.forms.changes import FindingWaiverForm
from frontend.views.change_tabs.waivers import waivers_of
from machines.catalogue import NoCatalogue
from policy import examining
from policy.differences import Difference
from policy.examining import CheckedFinding
from policy.models import ChangeRequest


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The findings of one severity."""

    name: str
    title: str
    meaning: str
    findings: list[CheckedFinding]


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
    groups = [
        FindingGroup(name, *texts, [item for item in checked if item.finding.severity == name])
        for name, texts in words.items()
    ]
    return {
        "finding_groups": [group for group in groups if group.findings],
        "waivers": [item for item in waivers_of(change) if item.waiver.finding],
        "finding_form": FindingWaiverForm(),
    }
