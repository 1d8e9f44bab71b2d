"""The forms of a bundle's page: revoke it, and hand in a signature that was made offline."""

from __future__ import annotations

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from policy.packing.signatures import MAX_SIGNATURE
from policy.publishing.signing import MAX_REASON


class RevocationForm(forms.Form):
    """Why nobody may use a bundle any more."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Whoever fetches or checks the bundle reads it. There is no way back."),
    )


class SignatureForm(forms.Form):
    """A detached signature, armored."""

    signature = forms.FileField(label=_("Signature"), help_text=_("The .asc that gpg wrote."))

    def clean_signature(self) -> bytes:
        """The file's bytes, where it is not too long for a signature."""
        uploaded: UploadedFile[bytes] = self.cleaned_data["signature"]
        if (uploaded.size or 0) > MAX_SIGNATURE:
            raise forms.ValidationError(_("That is too long for a signature."))
        return bytes(uploaded.read())
