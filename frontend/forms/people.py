"""Forms of what a person wants."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class MailForm(forms.Form):
    """Which kinds of mail a person wants: the fields are the kinds (policy.models.Notice.Kind)."""

    turns = forms.BooleanField(label=_("When it becomes my turn"), required=False)
    discussion = forms.BooleanField(
        label=_("Votes and comments on change requests in which I take part"), required=False
    )
    outcomes = forms.BooleanField(
        label=_("When a change request in which I took part is published or withdrawn"),
        required=False,
    )
    reminders = forms.BooleanField(
        label=_("Reminders of what has waited for me for days"), required=False
    )
