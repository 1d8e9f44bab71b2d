"""The tab of the bundle: which of its files publishing the change would alter, and how."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from machines.catalogue import NoCatalogue
from policy.document.differences import Difference
from policy.errors import PolicyError
from policy.exporters import ExportError
from policy.models import ChangeRequest
from policy.publishing import bundle
from policy.publishing.bundle import BundleError, Preview

MAX_DIFF_LINES = 400
#: A folder with more files is opened by whoever wants to see them.
MAX_OPEN = 15
#: What a build takes stands first, what people read after it.
_FOLDERS: dict[str, str | Promise] = {
    "": _("What the bundle tells"),
    "qemu": _("For QEMU"),
    "lockstep": _("For Lockstep’s emulator"),
}


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a text difference; ``kind`` is added, removed, place or same."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class TextDifference:
    """A unified difference; ``hidden`` lines are left out at its end."""

    lines: list[DiffLine]
    hidden: int


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of the bundle: how it is changed, and by how many lines. ``shown`` is the difference,
    where it was asked for.
    """

    path: str
    how: str
    added: int
    removed: int
    shown: TextDifference | None = None

    @property
    def anchor(self) -> str:
        return f"file-{hashlib.sha256(self.path.encode()).hexdigest()[:12]}"


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
    opened = request.GET.get("folder", _folder_of(asked))
    return {
        "folders": list(_folders(preview, asked, opened)),
        "changed_files": len(preview.changed),
        "unchanged": len(preview.after.keys() - preview.changed.keys()),
    }


def shown_file(change: ChangeRequest, path: str) -> ChangedFile | None:
    """One changed file with its difference; None where it does not change.

    Raises what :func:`policy.publishing.bundle.preview` does.
    """
    preview = bundle.preview(change)
    return _file(preview, path, path) if path in preview.changed else None


def changed_files(change: ChangeRequest, shown: str) -> list[ChangedFile]:
    """Every file that publishing would alter, the one named ``shown`` with its difference.

    Raises what :func:`policy.publishing.bundle.preview` does.
    """
    preview = bundle.preview(change)
    return [_file(preview, path, shown) for path in preview.changed]


def shown_folder(change: ChangeRequest, name: str) -> list[ChangedFile]:
    """The changed files of a folder, without their differences; empty where there is none.

    Raises what :func:`policy.publishing.bundle.preview` does.
    """
    preview = bundle.preview(change)
    return [_file(preview, path, "") for path in preview.changed if _folder_of(path) == name]


def _folder_of(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


def _folders(preview: Preview, asked: str, opened: str) -> Iterator[Folder]:
    for name, title in _FOLDERS.items():
        paths = [path for path in preview.changed if _folder_of(path) == name]
        if paths:
            is_shown = len(paths) <= MAX_OPEN or name == opened
            files = [_file(preview, path, asked) for path in paths] if is_shown else []
            yield Folder(name, title, len(paths), files)


def _file(preview: Preview, path: str, asked: str) -> ChangedFile:
    before, after = preview.before.get(path, b""), preview.after.get(path, b"")
    added, removed = _counts(before, after)
    is_asked = path == asked
    shown = text_difference(before.decode(), after.decode()) if is_asked else None
    return ChangedFile(path, preview.changed[path], added, removed, shown)


@lru_cache(maxsize=2048)
def _counts(before: bytes, after: bytes) -> tuple[int, int]:
    """How many lines were added, and removed."""
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    return (new - old).total(), (old - new).total()


def text_difference(before: str, after: str) -> TextDifference:
    """A unified difference of two texts, cut where it is long."""
    compared = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    )[2:]
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = [
        DiffLine(kinds.get(line[:1], "same"), line if line[:1] == "@" else f"{line[:1]} {line[1:]}")
        for line in compared
    ]
    return TextDifference(lines[:MAX_DIFF_LINES], len(lines[MAX_DIFF_LINES:]))
