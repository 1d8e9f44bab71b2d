"""The tab of the bundle: which of its files publishing the change would alter, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.questions.bundles import ChangedFile, changed_file, folder_of
from machines.catalogue import NoCatalogue
from policy.document.differences import Difference
from policy.errors import PolicyError
from policy.exporters import ExportError
from policy.models import ChangeRequest
from policy.publishing import bundle
from policy.publishing.bundle import BundleError, Preview

#: A folder with more files is opened by whoever wants to see them.
MAX_OPEN = 15
#: What a build takes stands first, what people read after it.
_FOLDERS: dict[str, str | Promise] = {
    "": _("What the bundle tells"),
    "qemu": _("For QEMU"),
    "lockstep": _("For Lockstep’s emulator"),
}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with so many changed files. A long list is fetched by whoever opens it: ``files`` is
    empty then.
    """

    name: str
    title: str | Promise
    count: int
    files: list[ChangedFile]


def context(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    """``?file=`` names the file whose difference is shown; without it the summary's is.
    ``?folder=`` opens a folder whose list is long.
    """
    try:
        preview = bundle.preview(change)
    except (NoCatalogue, PolicyError, ExportError, BundleError) as error:
        return {"folders": [], "unchanged": 0, "problem": str(error)}
    asked = request.GET.get("file", "CHANGES.md")
    opened = request.GET.get("folder", folder_of(asked))
    return {
        "folders": list(_folders(preview, asked, opened)),
        "changed_files": len(preview.changed),
        "unchanged": len(preview.after.keys() - preview.changed.keys()),
    }


def _folders(preview: Preview, asked: str, opened: str) -> Iterator[Folder]:
    for name, title in _FOLDERS.items():
        paths = [path for path in preview.changed if folder_of(path) == name]
        if paths:
            is_shown = len(paths) <= MAX_OPEN or name == opened
            files = [changed_file(preview, path, asked) for path in paths] if is_shown else []
            yield Folder(name, title, len(paths), files)
