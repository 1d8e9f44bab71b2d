"""What a page offers against a refusal: entries, and the change requests that may take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from frontend.questions.ends import End
from frontend.shown.overview import open_changes
from machines.emulator.catalogue import CompatProperty
from machines.models import Release
from policy.models import ChangeRequest
from policy.permissions import may


@dataclass(frozen=True, slots=True)
class Remedy:
    """Entries for a machine type of the destination, for guests started on ``started_on``."""

    started_on: str
    machine_type: str
    entries: tuple[CompatProperty, ...]
    reason: str

    @property
    def lines(self) -> str:
        """One a line, as the form of a mitigation takes them."""
        return "\n".join(f"{item.driver}.{item.property}={item.value}" for item in self.entries)


def changes_for(user: Any, end: End) -> list[ChangeRequest]:
    """The change requests that may take a remedy; of a draft that is looked at, that one alone."""
    if end.change is not None:
        found = [end.change]
    else:
        found = list(open_changes().filter(release=end.release))
    return editable(user, end.release, found)


def editable(user: Any, release: Release, found: list[ChangeRequest]) -> list[ChangeRequest]:
    """Those of a release's change requests that the person may edit now."""
    if not may(user, "edit", release.tree):
        return []
    return [change for change in found if change.is_editable]
