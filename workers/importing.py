"""Imports from the command line: which release is meant, the import itself, what it changed."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from machines.catalogue import ImportOutcome, import_catalogue
from machines.comparison import Comparison
from machines.emulator.catalogue import Catalogue, CatalogueError
from machines.emulator.catalogue.files import MAX_FILE_BYTES
from machines.models import Release, Tree
from policy import audit

#: Names printed for one kind of difference.
SHOWN_NAMES = 8


class ImportCommand(BaseCommand):
    """A command that imports one release, named by ``--tree`` and ``--version``."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own --version prints Django's version; here it names the release.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tree", required=True, help="such as upstream, rhel, debian")
        parser.add_argument("--base", metavar="TREE/VERSION", help="the release it is built on")
        parser.add_argument(
            "--stand-in",
            metavar="TREE/VERSION",
            help="whose catalogue serves while the base's own is not imported",
        )

    def import_into(self, release: Release, catalogue: Catalogue, source: str) -> ImportOutcome:
        """Import, leave an audit entry where something changed, and print the outcome."""
        with transaction.atomic():
            outcome = import_catalogue(release, catalogue, source=source, user=None)
            if outcome.created or outcome.changes:
                audit.record(
                    None,
                    "import",
                    release,
                    after={"snapshot": outcome.snapshot.number, "created": outcome.created},
                )
        for line in describe(release, outcome):
            self.stdout.write(line)
        return outcome


def read_files(paths: Sequence[Path]) -> dict[str, bytes]:
    """File name → content. Raises :class:`CatalogueError`."""
    files: dict[str, bytes] = {}
    for path in paths:
        if path.name in files:
            raise CatalogueError(str(path), "there are two files of this name")
        try:
            if path.exists() and not path.is_file():
                raise CatalogueError(str(path), "is no file")
            if path.stat().st_size > MAX_FILE_BYTES:
                limit = MAX_FILE_BYTES // 2**20
                raise CatalogueError(str(path), f"is larger than {limit} MiB")
            files[path.name] = path.read_bytes()
        except OSError as error:
            raise CatalogueError(str(path), f"cannot be read ({error.strerror})") from error
    return files


def release_of(options: dict[str, Any], version: str) -> Release:
    """The release that the options name, made where there is none. Raises CommandError."""
    release = _release(options["tree"], version)
    for option in ("base", "stand_in"):
        if options[option]:
            tree, slash, named = str(options[option]).partition("/")
            if not slash:
                raise CommandError(f"--{option.replace('_', '-')} should be TREE/VERSION")
            setattr(release, option, _release(tree, named))
    if release.pk in {release.base_id, release.stand_in_id}:
        raise CommandError(f"{release} cannot be its own base or stand-in.")
    release.save()
    return release


def _release(tree_name: str, version: str) -> Release:
    try:
        Tree(name=tree_name).clean_fields()
        Release(version=version).clean_fields(exclude=["tree"])
    except ValidationError as error:
        raise CommandError(f"{tree_name} {version}: {' '.join(error.messages)}") from error
    # Not full_clean: another import may make the same ones at this moment.
    tree, _ = Tree.objects.get_or_create(name=tree_name)
    release, _ = Release.objects.get_or_create(tree=tree, version=version)
    return release


def describe(release: Release, outcome: ImportOutcome) -> Iterator[str]:
    """The outcome in lines for a terminal."""
    snapshot = outcome.snapshot
    if not outcome.created and not outcome.changes:
        yield f"{release}: nothing new, snapshot {snapshot.number} has this content."
        return
    told = "new" if outcome.created else "current again"
    yield f"{release}: snapshot {snapshot.number} ({told})"
    counts = snapshot.report["counts"]
    yield "  " + ", ".join(f"{counts[key]} {key.replace('_', ' ')}" for key in counts)
    for driver, error in sorted(snapshot.report["unreadable"].items()):
        yield f"  not listed: {driver} ({error})"
    for sentence in snapshot.report.get("doubts", ()):  # an older snapshot has none
        yield f"  note: {sentence}"
    yield from _describe_changes(outcome.changes)


def _describe_changes(changes: Comparison) -> Iterator[str]:
    for kind, kinds in changes.items():
        for what, names in (
            ("added", kinds["added"]),
            ("removed", kinds["removed"]),
            ("changed", kinds["changed"]),
        ):
            if names["count"]:
                shown = "; ".join(names["names"][:SHOWN_NAMES])
                more = names["count"] - min(SHOWN_NAMES, len(names["names"]))
                rest = f"; and {more} more" if more else ""
                yield f"  {kind.replace('_', ' ')} {what}: {names['count']} ({shown}{rest})"
