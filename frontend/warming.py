"""What the first person after a start would wait for is read before the first request.

Addresses and templates are loaded, and of every release what its newest revision leaves: pages
about one release compare it with others of its tree. Web processes are forked from the one that
has read it, so it is read once and kept once. What is published later is read by whoever asks
first.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connections
from django.template.loader import get_template
from django.urls import get_resolver

from frontend.searching import known
from machines.catalogue import NoCatalogue
from machines.emulator.catalogue import CatalogueError
from machines.looks import look
from machines.models import Release
from policy import state
from policy.errors import PolicyError
from policy.review import examining

#: A start may be as much later, in seconds; what is not read by then is read when it is asked for.
LONGEST = 30.0

_log = logging.getLogger(__name__)


def warm(seconds: float = LONGEST) -> None:
    """Read ahead for about so many seconds. What cannot be read is told in the log, and by the
    pages that are about it.

    All that was read is taken out of the garbage collector's hands: it stays, and to walk through
    it again and again would hold up pages for tenths of a second each time.
    """
    try:
        read_ahead(seconds)
    except (DatabaseError, CatalogueError, PolicyError, ValueError) as error:
        _log.warning("Not all was read ahead: %s", error)
    finally:
        # A connection belongs to one process.
        connections.close_all()
        gc.collect()
        gc.freeze()


def read_ahead(seconds: float) -> None:
    """Read for about so many seconds. Raises DatabaseError, and for what is damaged."""
    ends = time.monotonic() + seconds
    with look():
        for _step in _steps():
            if time.monotonic() > ends:
                _log.warning("Not all releases were read ahead within %.0f s.", seconds)
                break


def _steps() -> Iterator[object]:
    """What is read ahead, piece by piece: first what every page needs."""
    yield get_resolver().url_patterns
    folder = Path(settings.BASE_DIR, "frontend", "templates")
    for path in sorted(folder.rglob("*.html")):
        yield get_template(str(path.relative_to(folder)))
    yield state.policies_of(state.newest_revisions().values())
    for release in reversed(state.releases()):
        _read(release)
        yield release
    yield from known.read_ahead()


def _read(release: Release) -> None:
    try:
        examining.remember(state.published(release))
    except (NoCatalogue, CatalogueError):
        return  # its pages say so
