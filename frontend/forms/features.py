"""Forms of features and backports: a proposal is named and confirmed, never typed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import EditForm, ReleaseField
from machines.models import Release
from policy.document import MAX_TEXT


class CompareForm(forms.Form):
    """Two catalogues to compare, and the device to look at."""

    old = ReleaseField(
        label=_("Without the feature"), queryset=Release.objects.none(), empty_label=_("choose one")
    )
    new = ReleaseField(
        label=_("With the feature"), queryset=Release.objects.none(), empty_label=_("choose one")
    )
    q = forms.CharField(label=_("Device or feature"), max_length=100, required=False)

    def __init__(self, *args: Any, releases: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old"].queryset = releases  # type: ignore[attr-defined]
        self.fields["new"].queryset = releases  # type: ignore[attr-defined]


class FeatureForm(forms.Form):
    """The name under which a proposal is recorded in the library."""

    slug = forms.CharField(
        label=_("Identifier"),
        max_length=100,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*$", _("Lower-case letters, digits, '-'."))],
    )
    title = forms.CharField(label=_("Title"), max_length=200)
    description = forms.CharField(
        label=_("What the guest sees"),
        max_length=MAX_TEXT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class TargetForm(forms.Form):
    """Which change request takes a feature, or which release in a new one."""

    change = forms.IntegerField(min_value=1, required=False)
    release = forms.IntegerField(min_value=1, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not (cleaned.get("change") or cleaned.get("release")):
            raise ValidationError(_("Choose where the backport goes."))
        return cleaned


class KeptForm(forms.Form):
    """What is typed of a backport so far: it need not be whole."""

    commit = forms.CharField(label=_("Upstream commit"), max_length=200, required=False)
    tracker = forms.CharField(label=_("Tracker"), max_length=500, required=False)
    justification = forms.CharField(label=_("Justification"), max_length=MAX_TEXT, required=False)


class BackportForm(EditForm):
    """Where a backport comes from, and why it is taken."""

    commit = forms.CharField(
        label=_("Upstream commit"),
        max_length=200,
        help_text=_("Its hash, or its subject line."),
    )
    tracker = forms.URLField(
        label=_("Tracker"), max_length=500, required=False, assume_scheme="https"
    )
    justification = forms.CharField(
        label=_("Justification"), max_length=MAX_TEXT, widget=forms.Textarea(attrs={"rows": 3})
    )
