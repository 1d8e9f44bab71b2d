"""What is typed about all rows of a bulk action."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.addresses import release_address
from frontend.bulk.tasks import Task
from frontend.forms.edits import MAX_VALUE
from policy import rules
from policy.inputs import MAX_TITLE
from policy.models import ChangeRequest


class TargetForm(forms.Form):
    """The change request that edits go into: an open one of the release, or a new one."""

    into = forms.ModelChoiceField(
        label=_("Into the change request"),
        queryset=ChangeRequest.objects.none(),
        required=False,
        empty_label=_("a new one"),
    )
    title = forms.CharField(
        label=_("Title of a new one"), max_length=MAX_TITLE, required=False,
        help_text=_("What it is for, in a few words."),
    )  # fmt: skip

    def __init__(self, data: Any = None, *, task: Task) -> None:
        scope = task.scope
        initial = {"into": scope.change.pk} if scope is not None and scope.change else {}
        super().__init__(data, initial=initial)
        if scope is not None:
            rows = ChangeRequest.objects.filter(
                release=scope.release, status__in=ChangeRequest.OPEN
            )
            into: Any = self.fields["into"]
            into.queryset = rows.select_related("release__tree").order_by("-pk")
            into.label_from_instance = str
        self.task = task

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "into" in data and data["into"] is None and not data.get("title"):
            self.add_error("title", _("Say what the new change request is for."))
        return data


class NamedEntryForm(TargetForm):
    """The property of an entry."""

    driver = forms.CharField(label=_("Device type"), max_length=255)
    property = forms.CharField(label=_("Property"), max_length=255)
    field_order = ("driver", "property", "value", "into", "title")

    def __init__(self, data: Any = None, *, task: Task) -> None:
        super().__init__(data, task=task)
        if task.scope is None:
            return
        change = task.scope.change.pk if task.scope.change else ""
        known = release_address("completion", task.scope.release, change=change)
        for name in ("driver", "property", "value"):
            if name in self.fields:
                offered = {"data-options": known, "class": "mono", "spellcheck": "false"}
                self.fields[name].widget.attrs |= offered


class EntryForm(NamedEntryForm):
    """An entry."""

    value = forms.CharField(label=_("Value"), max_length=MAX_VALUE, required=False)


class ClearForm(TargetForm):
    """A version of some of each device type's sections, on one machine type or on all."""

    sections = forms.ChoiceField(
        label=_("Sections"),
        choices=[("main", _("the main section")), ("all", _("all that it has")),
                 ("named", _("those with this in their name"))],
    )  # fmt: skip
    named = forms.CharField(label=_("Part of the section’s name"), max_length=255, required=False)
    version = forms.IntegerField(
        label=_("Version"), min_value=0, help_text=_("0 of an optional section is “absent”.")
    )
    machine_type = forms.ChoiceField(label=_("On the machine type"), required=False)
    field_order = (
        "sections", "named", "version", "action", "machine_type", "justification", "into", "title",
    )  # fmt: skip

    def __init__(self, data: Any = None, *, task: Task) -> None:
        super().__init__(data, task=task)
        names = rules.machine_types(task.scope.state()) if task.scope is not None else ()
        field: Any = self.fields["machine_type"]
        field.choices = [("", _("all of them")), *((name, name) for name in names)]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("sections") == "named" and not data.get("named"):
            self.add_error("named", _("Say which."))
        return data


class OverrideForm(ClearForm):
    """How a version is overridden, and why."""

    action = forms.ChoiceField(
        label=_("Override"),
        choices=[("relax", _("relax: allow what the default blacklists")),
                 ("tighten", _("tighten: blacklist what the default allows"))],
    )  # fmt: skip
    justification = forms.CharField(
        label=_("Justification"), widget=forms.Textarea(attrs={"rows": 3})
    )
