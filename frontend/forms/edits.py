"""Edits in place: compat entries, machine types, bits of a blacklist bitmap. Policy decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import EditForm
from policy.document import MAX_TEXT
from policy.edits.operations import Refused
from policy.edits.toggling import Turn

#: What a browser lets people type; policy.edits has the last word.
MAX_VALUE = 1000


class EntryForm(EditForm):
    """A further compat entry. ``place`` counts from 1, as people do; empty is the end."""

    driver = forms.CharField(label=_("Device type"), max_length=255)
    property = forms.CharField(label=_("Property"), max_length=255)
    value = forms.CharField(label=_("Value"), max_length=MAX_VALUE, required=False)
    place = forms.IntegerField(label=_("Place"), required=False, min_value=1)

    def position(self) -> int | None:
        """Where it goes, from 0; None is the end."""
        place: int | None = self.cleaned_data["place"]
        return None if place is None else place - 1


class RequiredEntryForm(EntryForm):
    """An entry that something else calls for, and the machine type that is to have it."""

    machine_type = forms.CharField(label=_("Machine type"), max_length=255)


class EntryValueForm(EditForm):
    """An entry's value, at its position among the machine type's own entries."""

    position = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    value = forms.CharField(label=_("Value"), max_length=MAX_VALUE, required=False)


class EntryPlaceForm(EditForm):
    """An entry's own position, from 0."""

    position = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class EntryMoveForm(EditForm):
    """Where an entry goes: ``3:2`` is from position 3 to position 2, from 0."""

    move = forms.RegexField(r"^[0-9]{1,6}:[0-9]{1,6}$", widget=forms.HiddenInput)

    @property
    def way(self) -> tuple[int, int]:
        """From where, and to where."""
        start, end = self.cleaned_data["move"].split(":")
        return int(start), int(end)


class EntryRestoreForm(EntryPlaceForm):
    """An entry that was removed: where it was, in which version of the draft."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class MachineTypeForm(EditForm):
    """A further machine type, which goes on from its parent's list."""

    name = forms.CharField(
        label=_("Name"), max_length=255, help_text=_("As -machine takes it: pc-q35-rhel9.4.0.")
    )
    parent = forms.ChoiceField(
        label=_("Goes on from"),
        required=False,
        help_text=_("The next newer machine type of the board; its entries come first."),
    )
    note = forms.CharField(label=_("Note"), max_length=500, required=False)

    def __init__(self, *args: Any, names: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("nothing")), *((name, name) for name in names)]
        self.fields["parent"].choices = choices  # type: ignore[attr-defined]


class SeedForm(EditForm):
    """Machine types to compose from the release's own C arrays, by name."""

    names = forms.CharField(
        label=_("Names"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text=_("As -machine takes them, separated by spaces or lines."),
    )

    def clean_names(self) -> list[str]:
        names: list[str] = self.cleaned_data["names"].split()
        return names


#: The choice to open a change request for an edit.
NEW_CHANGE = "new"


class TogglesForm(forms.Form):
    """Bits of a device's bitmaps that are turned over, each with the reason that a reviewer judges.

    ``turns`` are the bits; ``only`` is the machine type on which their overrides are to hold, empty
    for all. ``changes`` are (number, title) of the change requests to choose from
    where the page shows what is published; ``into`` is one of them, or :data:`NEW_CHANGE`.
    """

    lock_version = forms.IntegerField(min_value=1, required=False, widget=forms.HiddenInput)
    only = forms.CharField(max_length=255, required=False)
    into = forms.ChoiceField(label=_("Save in"), required=False)
    title = forms.CharField(label=_("Title"), max_length=200, required=False)

    def __init__(
        self,
        data: Any = None,
        *,
        turns: Sequence[Turn],
        changes: Sequence[tuple[str, str]],
        **kwargs: Any,
    ) -> None:
        super().__init__(data, **kwargs)
        choices = [*changes, (NEW_CHANGE, _("a new change request"))]
        self.fields["into"].choices = choices  # type: ignore[attr-defined]
        self._turns = turns
        asked = [number for number, turn in enumerate(turns) if turn.action != "clear"]
        for number in asked:
            self.fields[self.key(number)] = forms.CharField(
                label=_question(turns[number], len(asked) > 1),
                max_length=MAX_TEXT,
                required=False,
                widget=forms.Textarea(attrs={"rows": 3 if len(asked) == 1 else 2}),
                help_text=_("Empty: the same as above.") if number != asked[0] else "",
            )

    @property
    def asks_where(self) -> bool:
        """Is there a bit whose override may hold on one machine type, or on all?"""
        return any(turn.action != "clear" for turn in self._turns)

    @staticmethod
    def key(number: int) -> str:
        """The field that takes the justification of that bit."""
        return f"justification-{number}"

    @property
    def justifications(self) -> list[str]:
        """One for each bit; an empty field has what stands above it."""
        found, last = [], ""
        for number in range(len(self._turns)):
            last = self.cleaned_data.get(self.key(number), "") or last
            found.append(last)
        return found

    def clean_title(self) -> str:
        """A new change request needs one."""
        title = str(self.cleaned_data["title"])
        if self.cleaned_data.get("into") == NEW_CHANGE and not title:
            raise forms.ValidationError(_("Say in one line what changes."))
        return title

    def refuse(self, error: Refused) -> None:
        """Show why each bit that is at fault cannot be turned over."""
        for problem in error.problems:
            key = self.key(problem.index)
            place = key if problem.field == "justification" and key in self.fields else None
            self.add_error(place, problem.message)
        self.http_status = 422


def _question(turn: Turn, is_one_of_many: bool) -> Any:
    """What is asked of a bit."""
    if turn.action == "relax":
        if not is_one_of_many:
            return _("Why may less than everything arrive?")
        return _("Why may less arrive by version %(version)s of %(section)s?") % _named(turn)
    if not is_one_of_many:
        return _("Why is this version forbidden?")
    return _("Why is version %(version)s of %(section)s forbidden?") % _named(turn)


def _named(turn: Turn) -> dict[str, Any]:
    return {"version": turn.version, "section": turn.section}
