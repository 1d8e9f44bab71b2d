"""The form of a webhook: an address, and what it is told of."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from policy.messages import webhooks

_EVENTS = {
    webhooks.PUBLISHED: _("A revision is published"),
    webhooks.REVIEW: _("It becomes somebody’s turn to review"),
    webhooks.TRIAL: _("A required trial does not end as declared"),
}


class WebhookForm(forms.Form):
    """The fields besides ``url`` are the events."""

    url = forms.CharField(
        label=_("Address"),
        max_length=webhooks.MAX_URL,
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
        help_text=_("It gets a POST with JSON, signed with the webhook’s secret."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for event, words in _EVENTS.items():
            self.fields[event] = forms.BooleanField(label=words, required=False)

    def events(self) -> list[str]:
        """The events whose boxes are ticked."""
        return [event for event in webhooks.EVENTS if self.cleaned_data.get(event)]
