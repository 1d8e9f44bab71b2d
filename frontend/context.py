"""What every template knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from frontend import __version__
from frontend.navigation import MAIN, TOOLS, counts_of, items, release_seen
from policy.permissions import may
from policy.review.turns import your_turns


def site(request: HttpRequest) -> dict[str, object]:
    """``redis_kind``: the footer says when the embedded Redis serves, which is for trying out.

    ``preferences`` are the person's; ``navigation``, ``tools``, ``navigation_release`` and
    ``waiting`` are computed when a template asks.
    """
    known: dict[str, object] = {"redis_kind": settings.LOCKSTEP_REDIS_KIND, "version": __version__}
    if getattr(request, "user", None) is None or not request.user.is_authenticated:
        return known
    user: Any = request.user
    # Whoever has no role in any tree sees no release, nor how many there are.
    sees = SimpleLazyObject(lambda: may(user, "view", None))
    release: Any = SimpleLazyObject(lambda: release_seen(request) if sees else None)
    counts: Any = SimpleLazyObject(lambda: counts_of(request, release or None) if sees else {})
    return known | {
        "preferences": getattr(request, "lockstep_preferences", None),
        "navigation_release": release,
        "navigation": SimpleLazyObject(lambda: items(request, MAIN, release or None, counts)),
        "tools": SimpleLazyObject(lambda: items(request, TOOLS, release or None, {})),
        "administers": SimpleLazyObject(lambda: may(user, "administer", None)),
        "waiting": SimpleLazyObject(lambda: your_turns(user)),
    }
