"""The form that takes a policy file in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import EditForm
from policy.document.files import MAX_CHARACTERS


class PolicyFileForm(EditForm):
    """A file, or its text; ``content`` is what was sent of the two."""

    file = forms.FileField(
        label=_("File"),
        required=False,
        help_text=_("YAML or JSON, as the draft can be downloaded above."),
        widget=forms.FileInput(attrs={"accept": ".json,.yaml,.yml"}),
    )
    text = forms.CharField(
        label=_("or its text"),
        required=False,
        max_length=MAX_CHARACTERS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14, "class": "font-monospace", "spellcheck": "false"}),
    )

    def clean_file(self) -> str:
        sent = self.cleaned_data["file"]
        if sent is None:
            return ""
        if sent.size > MAX_CHARACTERS:
            raise ValidationError(_("The file is too large."))
        try:
            return str(sent.read().decode())
        except UnicodeDecodeError as error:
            raise ValidationError(_("The file is no text in UTF-8.")) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["content"] = cleaned.get("file") or cleaned.get("text") or ""
        if not cleaned["content"].strip() and not self.errors:
            self.add_error("file", _("Choose a file, or write its text."))
        # A browser sends no file twice: what it held is kept as text.
        if cleaned.get("file"):
            sent: Any = self.data
            kept = sent.copy()
            kept["text"] = cleaned["file"]
            self.data = kept
        return cleaned
