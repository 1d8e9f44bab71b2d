"""What every template knows."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """``redis_kind``: the footer says when the embedded Redis serves, which is for trying out."""
    return {"redis_kind": settings.LOCKSTEP_REDIS_KIND}
