"""The forms about streams: an upload, a question about one, a trial with other properties."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import read_entry
from machines.emulator.catalogue import CompatProperty
from machines.models import Stream, Tree
from policy.document import MAX_TEXT
from policy.trials.variants import MAX_PROPERTIES


class PropertiesField(forms.CharField):
    """Properties as a user sets them, one a line: ``driver.property=value``."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"rows": 3, "class": "mono", "spellcheck": "false"}
        kwargs.setdefault("widget", forms.Textarea(attrs=attrs))
        super().__init__(max_length=MAX_TEXT, required=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, list) else super().to_python(value)

    def clean(self, value: Any) -> list[CompatProperty]:
        return properties_of((super().clean(value) or "").splitlines())


def properties_of(lines: Iterable[str]) -> list[CompatProperty]:
    """Lines as entries. Raises ValidationError that names the line."""
    given = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if len(given) > MAX_PROPERTIES:
        raise ValidationError(_("At most %(limit)s properties."), params={"limit": MAX_PROPERTIES})
    return [read_entry(line.removeprefix("-global "), number) for number, line in given]


class StreamForm(forms.Form):
    """A stream to look at."""

    file = forms.FileField(label=_("Migration stream"), max_length=255)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = settings.LOCKSTEP_MAX_STREAM
        self.fields["file"].widget.attrs |= {"data-max-bytes": limit}
        self.fields["file"].help_text = _(
            "As QEMU’s migrate saved it, plain or .xz, at most %(limit)d MiB as it is sent. "
            "A stream with much guest memory becomes small with xz."
        ) % {"limit": limit // 2**20}


class VerdictForm(forms.Form):
    """Would a release load the stream?"""

    into = forms.ChoiceField(label=_("Into"))
    machine_type = forms.CharField(
        label=_("Machine type"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    started_on = forms.ChoiceField(
        label=_("Guest started on"),
        required=False,
        help_text=_("Its mitigations apply, and its values are tried first."),
    )
    profile = forms.ModelChoiceField(
        label=_("Destination’s own stream"),
        queryset=Stream.objects.none(),
        required=False,
        empty_label=_("none"),
        help_text=_("Saved by the destination in the same configuration: far more can be judged."),
    )
    properties = PropertiesField(
        label=_("Properties set on the destination"),
        help_text=_("One a line, as -global takes it: virtio-rng-pci.vectors=0"),
    )

    def __init__(
        self, *args: Any, stream: Stream, ends: Any, releases: Any, profiles: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["into"].choices = [("", _("choose one")), *ends]  # type: ignore[attr-defined]
        self.fields["started_on"].choices = [("", _("not known")), *releases]  # type: ignore[attr-defined]
        self.fields["profile"].queryset = profiles  # type: ignore[attr-defined]
        self.fields["profile"].label_from_instance = lambda item: item.name  # type: ignore[attr-defined]
        if stream.machine_type:
            self.fields["machine_type"].widget.attrs["placeholder"] = stream.machine_type
            self.fields["machine_type"].help_text = _("Empty: the one that the stream names.")


class ShareForm(forms.Form):
    """With the people of which tree a stream is shared; none: with nobody."""

    tree = forms.ModelChoiceField(
        label=_("Shared with"),
        queryset=Tree.objects.none(),
        required=False,
        empty_label=_("nobody"),
    )

    def __init__(self, *args: Any, trees: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tree"].queryset = trees  # type: ignore[attr-defined]


class VariantForm(forms.Form):
    """A trial once more, with other properties on either side."""

    source = PropertiesField(label=_("On the source"))
    destination = PropertiesField(label=_("On the destination"))
