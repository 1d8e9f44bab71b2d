"""The lock after failed sign-ins: until when it holds, and the record of it and of its lifting.

django-axes counts and refuses. A lock is of one login name from one address: who guesses a
colleague's password locks nobody out but the own address.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from axes.helpers import get_client_username, get_cool_off, get_failure_limit
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from frontend.sign_in.callers import address
from policy import audit

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_log = logging.getLogger(__name__)


def address_or_none(request: HttpRequest) -> str | None:
    """The caller as django-axes keeps it: None where there is no address (a socket of a file)."""
    return address(request) or None


def until(attempts: QuerySet[Any], limit: int) -> datetime | None:
    """When the lock ends that these attempts (of one name and address) make; None: there is none.

    Axes keeps a row for each browser; a row is forgotten when its last failure is old enough, and
    the lock ends with the first that leaves too few.
    """
    rest = get_cool_off()
    rows = list(attempts.filter(attempt_time__gte=timezone.now() - rest).order_by("attempt_time"))
    failures = sum(row.failures_since_start for row in rows)
    end = None
    for row in rows:
        if failures < limit:
            break
        failures -= row.failures_since_start
        end = row.attempt_time + rest
    return end


def of_request(request: HttpRequest, credentials: dict[str, Any] | None) -> datetime | None:
    """When the lock ends that holds for who sends this; now and then None: it has just ended."""
    name = get_client_username(request, credentials)
    attempts = AccessAttempt.objects.filter(username=name, ip_address=address_or_none(request))
    return until(attempts, get_failure_limit(request, credentials))


def record(sender: Any, request: HttpRequest, username: str, ip_address: str, **_: Any) -> None:
    """Write down that somebody is locked out: once a lock, for a name that there is.

    Names are made up for nothing, so the audit trail holds those of people, the log the others.
    """
    if request.axes_failures_since_start is None:  # type: ignore[attr-defined]
        return  # locked out already
    person = User.objects.filter(username=username).first()
    if person is None:
        _log.warning("Locked out: %r, whom nobody knows, from %s", username[:150], ip_address)
        return
    _log.warning("Locked out: %s from %s", username, ip_address)
    audit.record(None, "lock out", person, after={"address": ip_address})


@transaction.atomic
def lift(attempts: QuerySet[Any], actor: AbstractBaseUser) -> int:
    """Forget the failures of each name and address among these; how many locks that were."""
    pairs = set(attempts.values_list("username", "ip_address"))
    for name, where in sorted(pairs, key=str):
        rows = AccessAttempt.objects.filter(username=name, ip_address=where)
        person = User.objects.filter(username=name).first()
        failures = sum(rows.values_list("failures_since_start", flat=True))
        told = {"name": name, "address": where, "failures": failures}
        audit.record(actor, "lift lock", person or rows[0], before=told)  # type: ignore[arg-type]
        rows.delete()
    return len(pairs)
