"""Edits in place: compat entries, machine types, bits of a blacklist bitmap. Policy decides."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import EditForm
from policy.document import MAX_TEXT

#: What a browser lets people type; policy.edits has the last word.
MAX_VALUE = 1000


class EntryForm(EditForm):
    """A further compat entry. ``position`` counts from 0; empty is the end."""

    driver = forms.CharField(label=_("Device type"), max_length=255)
    property = forms.CharField(label=_("Property"), max_length=255)
    value = forms.CharField(label=_("Value"), max_length=MAX_VALUE, required=False)
    position = forms.IntegerField(
        label=_("Place"), required=False, min_value=0, widget=forms.HiddenInput
    )


class RequiredEntryForm(EntryForm):
    """An entry that something else calls for, and the machine type that is to have it."""

    machine_type = forms.CharField(label=_("Machine type"), max_length=255)


class EntryValueForm(EditForm):
    """An entry's value, at its position among the machine type's own entries."""

    position = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    value = forms.CharField(label=_("Value"), max_length=MAX_VALUE, required=False)


class EntryPlaceForm(EditForm):
    """Where an entry goes: its own position, and ``to`` where it moves."""

    position = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    to = forms.IntegerField(required=False, widget=forms.HiddenInput)


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


class OverrideForm(EditForm):
    """One version of a section, relaxed or tightened, with the reason that a reviewer judges."""

    section = forms.CharField(max_length=500, widget=forms.HiddenInput)
    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    action = forms.CharField(max_length=10, widget=forms.HiddenInput)
    machine_type = forms.CharField(max_length=255, required=False)
    justification = forms.CharField(
        label=_("Justification"),
        max_length=MAX_TEXT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
