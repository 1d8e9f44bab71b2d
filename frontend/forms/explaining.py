"""The form that takes the log lines of a failed migration."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from frontend.forms.comparing import PairForm
from policy.questions.qemu_log import MAX_BYTES


class ExplainForm(PairForm):
    """Where the guest came from, where it was to go, and what QEMU said."""

    log = forms.CharField(
        label=_("QEMU’s log lines"),
        max_length=MAX_BYTES,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 8,
                "class": "mono",
                "spellcheck": "false",
                "placeholder": "qemu-kvm: Missing section footer for 0000:00:01.3/piix4_pm",
            }
        ),
        help_text=_("Of the destination, as they are; time stamps and other lines do no harm."),
    )
