"""What is in a bundle, and which of a release's files publishing a change request would alter."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from policy.models import Bundle, ChangeRequest
from policy.packing import archive
from policy.publishing import bundle
from policy.publishing.bundle import Preview

MAX_DIFF_LINES = 400


# --- A bundle that was made -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BundledFile:
    """A file in a bundle: its path, size in bytes and SHA-256."""

    path: str
    size: int
    sha256: str


def files_of(found: Bundle) -> tuple[BundledFile, ...]:
    """The files in a bundle with their sums, as ``MANIFEST.sha256`` inside states them."""
    return _files(found.pk, found.sha256)


@lru_cache(maxsize=64)
def _files(bundle: int, sha256: str) -> tuple[BundledFile, ...]:
    """A bundle never changes: unpacked once, for all who look at it."""
    content = Bundle.objects.values_list("content", flat=True).get(pk=bundle, sha256=sha256)
    return tuple(
        BundledFile(path, len(data), hashlib.sha256(data).hexdigest())
        for path, data in archive.unpack(bytes(content)).files.items()
    )


# --- The bundle that a change request would make --------------------------------------------------


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


def changed_files(change: ChangeRequest, shown: str) -> list[ChangedFile]:
    """Every file that publishing would alter, the one named ``shown`` with its difference.

    Raises what :func:`policy.publishing.bundle.preview` does.
    """
    preview = bundle.preview(change)
    return [changed_file(preview, path, shown) for path in preview.changed]


def shown_file(change: ChangeRequest, path: str) -> ChangedFile | None:
    """One changed file with its difference; None where it does not change.

    Raises what :func:`policy.publishing.bundle.preview` does.
    """
    preview = bundle.preview(change)
    return changed_file(preview, path, path) if path in preview.changed else None


def shown_folder(change: ChangeRequest, name: str) -> list[ChangedFile]:
    """The changed files of a folder, without their differences; empty where there is none.

    Raises what :func:`policy.publishing.bundle.preview` does.
    """
    preview = bundle.preview(change)
    return [changed_file(preview, path, "") for path in preview.changed if folder_of(path) == name]


def folder_of(path: str) -> str:
    """The folder of a path in the bundle; empty for what stands beside the folders."""
    return path.partition("/")[0] if "/" in path else ""


def changed_file(preview: Preview, path: str, asked: str) -> ChangedFile:
    """A file of those that change; with its difference where it is the one ``asked`` for."""
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
