"""How a person wants the pages to be: their theme, their keys, the time zone of what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from frontend.access import person_of
from frontend.models import Preferences
from policy import audit

_FIELDS = ("theme", "keys", "time_zone")


def preferences_of(user: User) -> Preferences:
    """Theirs, or the defaults where they have said nothing."""
    return Preferences.objects.filter(user=user).first() or Preferences(user=user)


@transaction.atomic
def prefer(user: User, wanted: Mapping[str, Any]) -> Preferences:
    """Write down what a person prefers; what is not named stays. The values have been checked."""
    kept = preferences_of(user)
    before = {name: getattr(kept, name) for name in _FIELDS}
    after = before | {name: wanted[name] for name in _FIELDS if name in wanted}
    if after == before:
        return kept
    audit.record(user, "change preferences", user, before=before, after=after)
    return Preferences.objects.update_or_create(user=user, defaults=after)[0]


def show_their_times(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Middleware: pages show times in the zone that the person chose; programs get UTC."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/") or not request.user.is_authenticated:
            return get_response(request)
        kept = preferences_of(person_of(request))
        request.lockstep_preferences = kept  # type: ignore[attr-defined]
        with timezone.override(_zone(kept.time_zone)):
            return get_response(request)

    return answer


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        # A zone that was renamed since.
        return ZoneInfo("UTC")
