"""Forms that settle what two sides changed: of one draft, or a draft and a newer revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict
from django.utils.translation import gettext as now
from django.utils.translation import gettext_lazy as _

from frontend.access import put_into
from frontend.forms.changes import EditForm
from policy.document import MAX_TEXT, digest
from policy.document.merging import Choice, MergeConflict, Side, Typed
from policy.errors import PolicyError

SIDES: list[tuple[str, Any]] = [("theirs", _("theirs")), ("mine", _("mine"))]
TYPED = ("typed", _("another value"))
#: More conflicts than this are settled in several goes.
MAX_CONFLICTS = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """One conflict as the page asks about it; ``typed`` is None where no value can be typed."""

    conflict: MergeConflict
    choice: BoundField
    typed: BoundField | None
    path: BoundField
    shown: BoundField


class ConflictsForm(EditForm):
    """What stays of each conflict. What was sent belongs to the conflict of the same path, and a
    choice counts only for the sides that were shown with it.

    Of conflict N: ``choice_N``, ``typed_N``, ``path_N``, and ``shown_N``, which names both sides.
    """

    def __init__(
        self, data: Any = None, *, conflicts: Sequence[MergeConflict], **kwargs: Any
    ) -> None:
        self.conflicts = tuple(conflicts[:MAX_CONFLICTS])
        #: Was anything asked about? The button on the change's page asks nothing.
        self.has_choices = data is not None and "path_0" in data
        super().__init__(_placed(data, self.conflicts) if data is not None else None, **kwargs)
        for number, conflict in enumerate(self.conflicts):
            self._add_fields(number, conflict)

    def _add_fields(self, number: int, conflict: MergeConflict) -> None:
        self.fields[f"choice_{number}"] = forms.ChoiceField(
            label=conflict.label,
            choices=[*SIDES, TYPED] if conflict.takes else SIDES,
            widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
            error_messages={"required": _("Choose what stays.")},
        )
        if conflict.takes:
            self.fields[f"typed_{number}"] = _typed_field(conflict)
        for name, value in (("path", conflict.path), ("shown", sides_of(conflict))):
            self.fields[f"{name}_{number}"] = forms.CharField(
                required=False, widget=forms.HiddenInput, initial=value
            )

    def rows(self) -> list[Asked]:
        """For the page: each conflict with its fields."""
        return [
            Asked(
                conflict,
                self[f"choice_{number}"],
                self[f"typed_{number}"] if conflict.takes else None,
                self[f"path_{number}"],
                self[f"shown_{number}"],
            )
            for number, conflict in enumerate(self.conflicts)
        ]

    def choices(self) -> dict[str, Choice]:
        """Path of a conflict → what stays of it."""
        return {
            conflict.path: self._choice(number) for number, conflict in enumerate(self.conflicts)
        }

    def _choice(self, number: int) -> Choice:
        said: Side | Literal["typed"] = self.cleaned_data[f"choice_{number}"]
        return Typed(self.cleaned_data[f"typed_{number}"]) if said == "typed" else said

    def put(self, error: PolicyError) -> None:
        """Show a policy error: of a conflict's path at its choice."""
        for number, conflict in enumerate(self.conflicts):
            if conflict.path == error.field:
                error.field = f"choice_{number}"
        put_into(self, error)


def _typed_field(conflict: MergeConflict) -> forms.CharField:
    """A field for another value, which begins as mine."""
    attrs = {"aria-label": now("Another value: %(what)s") % {"what": conflict.label}}
    widget: forms.Widget = forms.TextInput(attrs)
    if conflict.takes == "lines":
        widget = forms.Textarea(attrs | {"rows": 2})
    return forms.CharField(
        required=False, max_length=MAX_TEXT, widget=widget, initial=conflict.mine
    )


def sides_of(conflict: MergeConflict) -> str:
    """A word for both sides of a conflict: another one where either said something else."""
    return digest([conflict.path, conflict.base, conflict.mine, conflict.theirs])[:16]


def _placed(data: Mapping[str, Any], conflicts: Sequence[MergeConflict]) -> QueryDict:
    """What was sent, under the numbers that the conflicts have now; a choice between sides that
    are no longer these is left out, what was typed is kept."""
    numbers = {
        data.get(f"path_{number}"): number
        for number in range(MAX_CONFLICTS)
        if f"path_{number}" in data
    }
    placed = QueryDict(mutable=True)
    placed.update({name: data[name] for name in data if not name.rpartition("_")[2].isdigit()})
    for number, conflict in enumerate(conflicts):
        shown = sides_of(conflict)
        placed[f"path_{number}"], placed[f"shown_{number}"] = conflict.path, shown
        was = numbers.get(conflict.path)
        if was is None:
            continue
        placed[f"typed_{number}"] = data.get(f"typed_{was}", "")
        if data.get(f"shown_{was}") == shown:
            placed[f"choice_{number}"] = data.get(f"choice_{was}", "")
    return placed


class RebaseForm(ConflictsForm):
    """What stays of the draft and of the revision that the person saw."""

    #: Missing where nothing was shown to choose from.
    revision = forms.IntegerField(min_value=1, required=False, widget=forms.HiddenInput)
