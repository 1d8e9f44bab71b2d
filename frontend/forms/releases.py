"""The form of a new release."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import ReleaseField
from machines.models import Release


class ReleaseForm(forms.ModelForm):  # type: ignore[type-arg]
    """Tree, version, base and stand-in. ``trees``: those in which the person may import."""

    base = ReleaseField(
        label=_("Base release"),
        queryset=Release.objects.none(),
        required=False,
        empty_label=_("none"),
        help_text=_("A downstream's upstream release; none for an upstream release itself."),
    )
    stand_in = ReleaseField(
        label=_("Stand-in"),
        queryset=Release.objects.none(),
        required=False,
        empty_label=_("none"),
        help_text=_("Whose catalogue serves while the base release's own is not imported."),
    )

    class Meta:
        model = Release
        fields: ClassVar = ["tree", "version", "base", "stand_in"]

    def __init__(self, *args: Any, trees: Any, releases: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tree"].queryset = trees  # type: ignore[attr-defined]
        self.fields["tree"].empty_label = _("choose one")  # type: ignore[attr-defined]
        self.fields["base"].queryset = releases  # type: ignore[attr-defined]
        self.fields["stand_in"].queryset = releases  # type: ignore[attr-defined]
        self.fields["version"].help_text = _("As people say it: 10.0, 9.2.")
