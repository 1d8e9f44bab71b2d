"""The form that takes a policy file in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import EditForm
from policy.merging import Choice, MergeConflict
from policy.policy_files import MAX_CHARACTERS

#: So many conflicts are asked about at once.
MAX_CONFLICTS = 500


class PolicyFileForm(EditForm):
    """A file, or its text; ``content`` is what was sent of the two.

    Once conflicts were shown, each is sent back as ``label_N`` with the side ``side_N``.
    """

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
    conflicts: Sequence[MergeConflict] = ()

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

    def choices(self) -> dict[str, Choice]:
        """Label of a conflict → the side that was chosen."""
        found: dict[str, Choice] = {}
        for number in range(MAX_CONFLICTS):
            label = self.data.get(f"label_{number}")
            if label is None:
                break
            side = self.data.get(f"side_{number}")
            if side == "mine" or side == "theirs":
                found[label] = side
        return found

    def asking(self, conflicts: Sequence[MergeConflict]) -> PolicyFileForm:
        """The form as it asks for a side of each conflict."""
        self.conflicts = conflicts[:MAX_CONFLICTS]
        self.add_error(None, _("Others changed the same in the meantime: choose a side of each."))
        return self

    def rows(self) -> list[tuple[int, MergeConflict]]:
        """For the page: each conflict with its number."""
        return list(enumerate(self.conflicts))
