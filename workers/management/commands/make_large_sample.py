"""``manage.py make_large_sample``: a database at the size of a large downstream, made up."""

from __future__ import annotations

import logging
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from machines.models import Tree
from policy.models import AuditEntry
from workers.large import history, people
from workers.large.history import FULL, Size


class Command(BaseCommand):
    help = (
        "Make a large data set up: 40 releases in 6 trees with 90 machine types each, 5,000 trials "
        "and 300 change requests in every state. Meant for a database of its own: one that holds "
        "anything is refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name in ("releases", "machine_types", "trials", "changes"):
            flag = f"--{name.replace('_', '-')}"
            parser.add_argument(flag, type=int, default=getattr(FULL, name))
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--into-existing", action="store_true", help="even where the database holds data"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        taken = Tree.objects.exists() or AuditEntry.objects.exists()
        if taken and not options["into_existing"]:
            raise CommandError(
                "This database holds data. Make a new one (LOCKSTEP_VAR or DATABASE_URL, then "
                "manage.py migrate), or say --into-existing."
            )
        size = _size(options)
        _check_names(size)
        # No Redis is needed: what is asked of the workers is done here.
        logging.getLogger("workers.jobs").setLevel(logging.ERROR)
        begun = time.monotonic()
        logins = people.make()
        history.make(size, options["seed"], _Progress(self))
        self.stdout.write(f"Made in {time.monotonic() - begun:.0f} s. Logins are in {logins}.")


def _check_names(size: Size) -> None:
    """Trees and people of these names would be those of somebody else."""
    trees = {line.tree for line in history.lines_of(size)}
    taken = sorted(Tree.objects.filter(name__in=trees).values_list("name", flat=True))
    taken += sorted(people.taken())
    if taken:
        raise CommandError(f"The database has them already: {', '.join(taken)}.")


def _size(options: dict[str, Any]) -> Size:
    size = Size(
        options["releases"], options["machine_types"], options["trials"], options["changes"]
    )
    if not (6 <= size.releases <= 40 and 2 <= size.machine_types <= 90):
        raise CommandError("6 to 40 releases, each with 2 to 90 machine types.")
    if not (0 <= size.trials <= 20_000 and 0 <= size.changes <= 2_000):
        raise CommandError("At most 20,000 trials and 2,000 change requests.")
    return size


class _Progress:
    """Prints how far each stage is, with the time that is left of it, at most once a second."""

    def __init__(self, command: BaseCommand) -> None:
        self._command = command
        self._begun = self._said = time.monotonic()

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if done == 1:
            self._begun = now
        if done < total and now - self._said < 1:
            return
        self._said = now
        rest = (now - self._begun) / max(done - 1, 1) * (total - done)
        self._command.stdout.write(f"  {done} of {total}, {rest:.0f} s left: {text}")
