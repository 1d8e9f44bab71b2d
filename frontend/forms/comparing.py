"""The form that asks for a comparison of two releases."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from machines.streams import MAX_STREAM_BYTES
from policy.document import MAX_TEXT


class PairForm(forms.Form):
    """Source and destination, each a release as published or as a change request leaves it."""

    source = forms.ChoiceField(label=_("From"))
    destination = forms.ChoiceField(label=_("To"))
    machine_type = forms.CharField(
        label=_("Machine type"),
        max_length=255,
        required=False,
        widget=forms.TextInput(
            attrs={"list": "machine-types", "class": "mono", "spellcheck": "false"}
        ),
        help_text=_("Empty: the newest that both releases have."),
    )

    def __init__(self, *args: Any, ends: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("source", "destination"):
            field = self.fields[name]
            field.choices = [("", _("choose one")), *ends]  # type: ignore[attr-defined]


class ComparisonForm(PairForm):
    """What is compared; the devices of a stream are taken over into ``devices``."""

    devices = forms.CharField(
        label=_("Device types"),
        max_length=MAX_TEXT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text=_("Separated by spaces or lines. Empty: every one with state."),
    )
    stream = forms.FileField(
        label=_("or those of a stream"),
        required=False,
        help_text=_("A saved migration stream, plain or .xz; only what it consists of is read."),
    )

    def clean_devices(self) -> list[str]:
        names: list[str] = self.cleaned_data["devices"].split()
        return names

    def clean_stream(self) -> UploadedFile[Any] | None:
        found: UploadedFile[Any] | None = self.cleaned_data["stream"]
        if found is not None and (found.size or 0) > MAX_STREAM_BYTES:
            raise ValidationError(
                _("The file is larger than %(limit)s MiB."),
                params={"limit": MAX_STREAM_BYTES // 2**20},
            )
        return found
