"""``manage.py load_sample``: the sample releases, people, policy and open change request."""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from machines.emulator.catalogue import CatalogueError
from policy.errors import PolicyError
from workers import sample


class Command(BaseCommand):
    help = (
        "Load the sample data: real QEMU releases, three people, RHEL 9.2's policy as a published "
        "revision, and a change request for RHEL 9.3 that waits for its reviewer. Loading again "
        "changes nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        # At a first start Redis is not up yet; the sweeper sends these jobs when it is.
        logging.getLogger("workers.jobs").setLevel(logging.ERROR)
        try:
            logins = sample.load(lambda text: self.stdout.write(f"  {text}"))
        except (CatalogueError, PolicyError, OSError) as error:
            raise CommandError(f"The sample data cannot be loaded: {error}") from error
        self.stdout.write(f"The sample is loaded. Its logins are in {logins}.")
