"""The form that takes a release's own files."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import ReleaseField
from machines.emulator.catalogue.files import FILE_NAMES
from machines.models import Release, Tree
from machines.parsing import MAX_TOTAL_BYTES

MAX_FILES = 20
_CATALOGUE_FILE = re.compile(rf"^(?:{'|'.join(FILE_NAMES)})\.json(?:\.xz)?$")
_SOURCE_FILE = re.compile(r"^[\w.+-]{1,200}\.(?:c|h|patch|diff)$")


class _Files(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files at once, each within the limit of size."""

    widget = _Files

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files = data if isinstance(data, list | tuple) else [data]
        if not files:
            raise ValidationError(self.error_messages["required"], code="required")
        if len(files) > MAX_FILES:
            raise ValidationError(_("At most %(limit)s files."), params={"limit": MAX_FILES})
        found = [self._one(item, initial) for item in files]
        if sum(item.size or 0 for item in found) > MAX_TOTAL_BYTES:
            raise ValidationError(
                _("The files are larger than %(limit)s MiB together."),
                params={"limit": MAX_TOTAL_BYTES // 2**20},
            )
        return found

    def _one(self, item: Any, initial: Any) -> UploadedFile[Any]:
        found: UploadedFile[Any] = super().clean(item, initial)
        name = found.name or ""
        if not (_CATALOGUE_FILE.match(name) or _SOURCE_FILE.match(name)):
            raise ValidationError(
                _(
                    "“%(name)s” is none of vmstate, machines, types, properties, version or compat "
                    "as .json or .json.xz, nor C source or a patch (.c .h .patch .diff)."
                ),
                params={"name": name[:80]},
            )
        if found.size is not None and found.size > settings.LOCKSTEP_MAX_UPLOAD:
            raise ValidationError(
                _("“%(name)s” is larger than %(limit)s MiB."),
                params={"name": name, "limit": settings.LOCKSTEP_MAX_UPLOAD // 2**20},
            )
        return found


class ImportForm(forms.Form):
    """One release's files, and which release they are of."""

    tree = forms.ModelChoiceField(
        label=_("Tree"),
        queryset=Tree.objects.none(),
        to_field_name="name",
        empty_label=_("choose one"),
    )
    version = forms.CharField(
        label=_("Version"), max_length=40, help_text=_("As people say it: 10.0, 9.2.")
    )
    base = ReleaseField(
        label=_("Base release"),
        queryset=Release.objects.none(),
        required=False,
        empty_label=_("none"),
        help_text=_("The upstream release that a downstream one stands on."),
    )
    uploads = FilesField(label=_("Files"))

    def __init__(self, *args: Any, trees: Any, releases: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = settings.LOCKSTEP_MAX_UPLOAD
        self.fields["uploads"].widget.attrs |= {"data-max-bytes": limit}
        self.fields["uploads"].help_text = _(
            "At most %(number)d files, each of %(each)d MiB, %(all)d MiB together."
        ) % {"number": MAX_FILES, "each": limit // 2**20, "all": MAX_TOTAL_BYTES // 2**20}
        self.fields["tree"].queryset = trees  # type: ignore[attr-defined]
        self.fields["base"].queryset = releases  # type: ignore[attr-defined]

    def clean_uploads(self) -> list[UploadedFile[Any]]:
        files: list[UploadedFile[Any]] = self.cleaned_data["uploads"]
        names = [item.name for item in files]
        if len(set(names)) != len(names):
            raise ValidationError(_("Two files have the same name."))
        return files
