"""Forms of what a person wants."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.models import Preferences
from policy import tokens
from policy.models import ReviewRules, Token, TreePromises
from policy.trials.promises import Promises

if TYPE_CHECKING:
    from django.utils.functional import Promise


@cache
def _time_zones() -> list[tuple[str, str]]:
    """To choose from: the names that the system knows, which it looks for in its files."""
    return [(name, name) for name in sorted(available_timezones() | {"UTC"})]


class DisplayForm(forms.Form):
    """How a person wants the pages to be: the fields are those of frontend.models.Preferences."""

    theme = forms.ChoiceField(
        label=_("Theme"),
        choices=Preferences.Theme.choices,
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone of the times that are shown"),
        choices=_time_zones,
    )
    keys = forms.BooleanField(
        label=_("Single letters are shortcuts"),
        required=False,
        help_text=_("Off, only Ctrl-K is left, which searches."),
    )


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


def _counts(every: str | Promise) -> list[tuple[int, str | Promise]]:
    numbers = range(1, TreePromises.MOST + 1)
    return [
        (0, _("none")),
        *((number, str(number)) for number in numbers),
        (TreePromises.EVERY, every),
    ]


class PromisesForm(forms.Form):
    """What a tree promises of migrations: the fields are those of policy.trials.promises."""

    older = forms.TypedChoiceField(
        label=_("Older releases that guests come from"),
        coerce=int,
        choices=lambda: _counts(_("every older one")),
        help_text=_("The nearest ones; more than one means that releases may be skipped."),
    )
    back = forms.TypedChoiceField(
        label=_("Older releases that guests go back to"),
        coerce=int,
        choices=lambda: _counts(_("every older one")),
    )
    majors = forms.ChoiceField(
        label=_("From one major release to another"),
        choices=TreePromises.Majors.choices,
        help_text=_("Major releases differ in the first number of their version."),
    )

    def promises(self) -> Promises:
        """What was typed."""
        return Promises(**self.cleaned_data)


class TokenForm(forms.Form):
    """A token to issue: every token reads, the boxes are what it may do besides."""

    name = forms.CharField(
        label=_("Name"),
        max_length=tokens.MAX_NAME,
        help_text=_("What will use it, so that you know it again."),
    )
    write = forms.BooleanField(label=Token.Scope.WRITE.label, required=False)
    review = forms.BooleanField(label=Token.Scope.REVIEW.label, required=False)
    publish = forms.BooleanField(label=Token.Scope.PUBLISH.label, required=False)
    expires = forms.DateField(
        label=_("Last day"),
        initial=tokens.usual_end,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def scopes(self) -> list[str]:
        """The scopes whose boxes are ticked."""
        return [scope for scope in Token.Scope.values if self.cleaned_data.get(scope)]
