"""Forms of what a person wants."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from policy.models import ReviewRules


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


class ReviewRulesForm(forms.Form):
    """What a tree asks of a review."""

    approvals = forms.TypedChoiceField(
        label=_("Approvals that a change needs"),
        coerce=int,
        choices=[(number, str(number)) for number in range(1, ReviewRules.MOST_APPROVALS + 1)],
        help_text=_("What is in review or approved now is judged again by the new number."),
    )
