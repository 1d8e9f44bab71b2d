"""What publishing needs, as the page lists it: what is met, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _

from policy.review.blockers import Blocker

MAX_CHECKS = 4


@dataclass(frozen=True, slots=True)
class Check:
    """A condition of publishing: met, open, or broken."""

    state: Literal["met", "open", "broken"]
    text: str
    #: Where one sees more of it: a tab of the page.
    tab: str = ""

    @property
    def symbol(self) -> str:
        return {"met": "✓", "open": "○", "broken": "✕"}[self.state]

    @property
    def word(self) -> str:
        return {"met": _("met"), "open": _("open"), "broken": _("not met")}[self.state]


#: Where a page tells more of what is missing.
_TABS_OF = {"threads": "discussion", "findings": "findings", "trials": "trials"}
#: What only has to happen yet; everything else that is missing is wrong.
_OPEN = ("approval", "threads")


def checklist(blockers: tuple[Blocker, ...]) -> list[Check]:
    """What publishing needs, in one order: what is met, and each blocker where it is not."""
    met = {
        "approval": _("The present content is approved."),
        "objection": _("Nobody objects to it."),
        "threads": _("No thread is open."),
        "outdated": _("It is made from the newest revision."),
        "findings": _("No finding is in the way."),
        "trials": _("No required trial is in the way."),
    }
    checks = []
    for code, text in met.items():
        texts = [item.text for item in blockers if item.code == code]
        if code == "findings" and len(texts) > 1:
            # Each is a paragraph: their tab has them.
            texts = [_("%(count)d findings are in the way.") % {"count": len(texts)}]
        state_: Literal["open", "broken"] = "open" if code in _OPEN else "broken"
        checks += [Check(state_, item, _TABS_OF.get(code, "")) for item in texts[:MAX_CHECKS]]
        if len(texts) > MAX_CHECKS:
            more = len(texts) - MAX_CHECKS
            words = _("and %(count)d more") % {"count": more}
            checks.append(Check(state_, words, _TABS_OF.get(code, "")))
        if not texts:
            checks.append(Check("met", text))
    known = {*met, "status"}
    return checks + [Check("broken", item.text) for item in blockers if item.code not in known]
