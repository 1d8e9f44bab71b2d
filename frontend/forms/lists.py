"""What people type about a list: the name of a filter, the rows of a page."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.lists.listing import SIZES


class FilterNameForm(forms.Form):
    """The name of a saved filter, and whether the list opens with it."""

    name = forms.CharField(label=_("Name"), max_length=80)
    default = forms.BooleanField(label=_("Open the list with it"), required=False)


class SizeForm(forms.Form):
    """How many rows a page of a list has."""

    size = forms.TypedChoiceField(choices=[(size, size) for size in SIZES], coerce=int)
