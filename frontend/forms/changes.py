"""Forms of a change request: opening, describing, reviewing, and what it declares."""

from __future__ import annotations

import shlex
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from machines.emulator.catalogue import CompatProperty
from machines.models import Release
from policy.document import DECLARABLE, MAX_TEXT, Policy
from policy.exporters import ExportError
from policy.exporters import globals as arguments

MAX_MITIGATION_LINES = 200


class ReleaseField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice of releases, each with its label."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.label)


class ChangeForm(forms.Form):
    """A new change request."""

    release = ReleaseField(
        label=_("Release"), queryset=Release.objects.none(), empty_label=_("choose one")
    )
    title = forms.CharField(
        label=_("Title"),
        max_length=200,
        help_text=_("What changes, in one line: “Backport scanout v2 to 9.3”."),
    )
    description = forms.CharField(
        label=_("Description"),
        max_length=MAX_TEXT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("Why, and what a reviewer should know."),
    )
    #: The number of an older revision whose policy is brought back.
    revert = forms.IntegerField(min_value=1, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, releases: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["release"].queryset = releases  # type: ignore[attr-defined]


class DescriptionForm(forms.Form):
    """Title and description of an open change request."""

    title = forms.CharField(label=_("Title"), max_length=200)
    description = forms.CharField(
        label=_("Description"),
        max_length=MAX_TEXT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )


class ReviewForm(forms.Form):
    """A vote or a comment. ``digest`` names the content that the person looked at, ``reviewer``
    whom to ask.
    """

    text = forms.CharField(
        label=_("Comment"),
        max_length=MAX_TEXT,
        required=False,
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "data-key": "a",
                "data-key-label": _("Vote or comment"),
                "aria-keyshortcuts": "a",
            }
        ),
    )
    digest = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    reviewer = forms.CharField(label=_("Reviewer"), max_length=150, required=False)


class SaidForm(forms.Form):
    """A comment in a thread, or the first one of a new thread."""

    text = forms.CharField(
        label=_("Your words"), max_length=MAX_TEXT, widget=forms.Textarea(attrs={"rows": 3})
    )


class EditForm(forms.Form):
    """What every edit of a draft carries: the version of the draft that the person saw."""

    lock_version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class MigrationForm(EditForm):
    """A migration that the policy declares, and the outcome that it promises."""

    source = forms.ChoiceField(label=_("From"))
    destination = forms.ChoiceField(label=_("To"))
    machine_type = forms.ChoiceField(label=_("Machine type"), required=False)
    expected = forms.ChoiceField(
        label=_("Promised outcome"), choices=[(name, name) for name in DECLARABLE]
    )
    note = forms.CharField(label=_("Note"), max_length=500, required=False)

    def __init__(self, *args: Any, policy: Policy, labels: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        releases = [("", _("choose one")), *((label, label) for label in labels)]
        _choices(self, "source", releases)
        _choices(self, "destination", releases)
        _choices(self, "machine_type", [("", _("every shared one")), *_machine_types(policy)])


class WaiverForm(EditForm):
    """A trial that ended otherwise than declared is accepted for a while."""

    source = forms.CharField(max_length=100, widget=forms.HiddenInput)
    destination = forms.CharField(max_length=100, widget=forms.HiddenInput)
    machine_type = forms.CharField(max_length=255, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Why it is acceptable"),
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    expires = forms.DateField(
        label=_("Last day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


class FindingWaiverForm(EditForm):
    """A finding is accepted for a while; ``direction`` is ``SOURCE|DESTINATION``, or each one."""

    direction = forms.CharField(max_length=200, required=False)
    reason = forms.CharField(max_length=MAX_TEXT)
    expires = forms.DateField()


class ProposalForm(EditForm):
    """The change that a finding proposes is made; ``number`` counts its proposals from 0."""

    number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class DevicesForm(EditForm):
    """The devices that trials exercise; none means every one that can migrate."""

    devices = forms.CharField(
        label=_("Device types"),
        max_length=MAX_TEXT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "font-monospace", "spellcheck": "false"}),
        help_text=_("Separated by spaces or lines. Empty: every one with state."),
    )

    def clean_devices(self) -> list[str]:
        names: list[str] = self.cleaned_data["devices"].split()
        return names


class MitigationForm(EditForm):
    """Extra properties on a destination, for guests that were started on another release."""

    started_on = forms.ChoiceField(label=_("Guests started on"))
    machine_type = forms.ChoiceField(label=_("Machine type"))
    entries = forms.CharField(
        label=_("Properties"),
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 3, "class": "font-monospace", "spellcheck": "false"}),
        help_text=_("One a line: driver.property=value"),
    )
    reason = forms.CharField(label=_("Reason"), max_length=500)
    until = forms.CharField(
        label=_("Until"),
        max_length=200,
        required=False,
        help_text=_("When it may go: “all guests started on rhel 9.2 are powered off”."),
    )

    def __init__(self, *args: Any, policy: Policy, labels: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choices(self, "started_on", [(label, label) for label in labels])
        _choices(self, "machine_type", _machine_types(policy))

    def clean_entries(self) -> tuple[CompatProperty, ...]:
        lines = self.cleaned_data["entries"].splitlines()
        if len(lines) > MAX_MITIGATION_LINES:
            raise ValidationError(
                _("At most %(limit)s lines."), params={"limit": MAX_MITIGATION_LINES}
            )
        return tuple(
            read_entry(line.strip(), number)
            for number, line in enumerate(lines, start=1)
            if line.strip()
        )


def read_entry(line: str, number: int) -> CompatProperty:
    """An entry as ``-global`` takes it. Raises ValidationError that names the line."""
    try:
        (entry,) = arguments.read(f"-global {shlex.quote(line)}")
    except ExportError as error:
        raise ValidationError(
            _("Line %(number)s: “%(line)s” is not driver.property=value."),
            params={"number": number, "line": line[:80]},
        ) from error
    return entry


def _choices(form: forms.Form, field: str, choices: Any) -> None:
    form.fields[field].choices = choices  # type: ignore[attr-defined]


def _machine_types(policy: Policy) -> list[tuple[str, str]]:
    return [(item.name, item.name) for item in policy.machine_types]
