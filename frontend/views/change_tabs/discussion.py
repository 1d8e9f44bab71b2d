"""The tab of the discussion: threads with what they are about, votes and comments."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count
from django.http import HttpRequest

from frontend.forms.changes import SaidForm
from frontend.views.change_tabs.lines import anchor_of
from policy.document.differences import Difference
from policy.models import ChangeRequest, Thread
from policy.review import discussion


@dataclass(frozen=True, slots=True)
class ShownThread:
    """A thread, and what its line says now: None where the difference has no such line any more."""

    thread: Thread
    anchor: str
    now: Difference | None

    @property
    def is_outdated(self) -> bool:
        """Does the line say something else than when the thread was opened?"""
        line = self.thread.line
        if line is None:
            return False
        return self.now is None or asdict(self.now) != line


def context(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    lines = {(item.group, item.label): item for item in found}
    shown = [
        ShownThread(
            thread, anchor_of(thread.group, thread.label), lines.get((thread.group, thread.label))
        )
        for thread in discussion.threads(change, request.user)
    ]
    return {
        "open_threads": [item for item in shown if item.thread.is_open],
        "resolved_threads": [item for item in shown if not item.thread.is_open],
        "ask_form": SaidForm(),
        "reviews": change.reviews.select_related("reviewer").annotate(
            comment_count=Count("comments")
        ),
    }
