"""The form that settles what a draft and a newer revision both changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import EditForm
from policy.merging import Choice, MergeConflict

SIDES = [("mine", _("mine")), ("theirs", _("theirs"))]


class RebaseForm(EditForm):
    """One choice for each conflict, against the revision that the person saw."""

    #: Missing where nothing was shown to choose from.
    revision = forms.IntegerField(min_value=1, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, conflicts: Sequence[MergeConflict], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conflicts = {f"choice_{number}": item for number, item in enumerate(conflicts)}
        for name, conflict in self.conflicts.items():
            self.fields[name] = forms.ChoiceField(
                label=conflict.label,
                choices=SIDES,
                widget=forms.RadioSelect,
                error_messages={"required": _("Choose one.")},
            )

    @property
    def has_choices(self) -> bool:
        """Was any conflict answered? The button on the change's page answers none."""
        return any(name in self.data for name in self.conflicts)

    def rows(self) -> list[tuple[MergeConflict, Any]]:
        """For the page: each conflict with its field."""
        return [(conflict, self[name]) for name, conflict in self.conflicts.items()]

    def choices(self) -> dict[str, Choice]:
        """Label of a conflict → side."""
        return {item.label: self.cleaned_data[name] for name, item in self.conflicts.items()}
