"""Tokens: keys with which a person's programs use the REST API, each allowed a part of it.

A token stands for its person and never for more: what it asks for is judged by the person's roles,
and by its scopes besides. The secret is told once, when it is issued; only its digest is kept. That
is a plain SHA-256, as there are 256 random bits to guess and nothing to slow a guess down for.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from policy import audit
from policy.errors import Forbidden, Invalid
from policy.models import Token
from policy.review.checking import today

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Scope = Token.Scope
#: What every secret begins with, so that scanners recognise one that was committed by mistake.
PREFIX = "lockstep_"
MAX_NAME = 100
MOST_DAYS = 366
USUAL_DAYS = 90
MOST_TOKENS = 50
#: A token that is used all the time would write as often; what is shown is of this grain.
GRAIN = timedelta(minutes=1)


def issue(user: User, name: str, scopes: Iterable[str], expires: date) -> tuple[Token, str]:
    """A new token of the person and its secret, which is not told again.

    ``expires`` is the last day (UTC) on which it holds. Every token may read: an answer to whoever
    writes tells what is there then. Raises Invalid.
    """
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise Invalid("Name the token, so that you know it again.", field="name")
    chosen = _ordered({Scope.READ, *scopes})
    _check_day(expires)
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        if valid(user).count() >= MOST_TOKENS:
            raise Invalid(f"You hold {MOST_TOKENS} tokens: revoke one first.", field="name")
        token = Token.objects.create(
            user=user,
            name=name,
            scopes=chosen,
            digest=_digest(secret),
            ending=secret[-4:],
            expires=expires,
        )
        audit.record(user, "issue token", token, after=_told(token))
    return token, secret


def revoke(token: Token, actor: User) -> Token:
    """The token opens nothing from now on. Doing it twice is no fault. Raises Forbidden."""
    if token.user_id != actor.pk and not actor.is_superuser:
        raise Forbidden("The token is another person's.")
    with transaction.atomic():
        held = Token.objects.filter(pk=token.pk, revoked_at=None)
        if held.update(revoked_at=timezone.now()):
            audit.record(actor, "revoke token", token, before=_told(token))
    token.refresh_from_db()
    return token


def find(secret: str) -> Token | None:
    """The valid token with this secret, of a person who is active; noting that it was used."""
    found = Token.objects.select_related("user").filter(digest=_digest(secret)).first()
    if found is None or not found.is_valid or not found.user.is_active:
        return None
    _note_use(found)
    return found


def valid(user: User) -> QuerySet[Token]:
    """The tokens of the person that open something, the newest first."""
    return user.tokens.filter(revoked_at=None, expires__gte=today())


def past(user: User) -> QuerySet[Token]:
    """Those that were revoked or have expired, the newest first."""
    return user.tokens.filter(~Q(revoked_at=None) | Q(expires__lt=today()))


def usual_end() -> date:
    """The last day of a token for which nobody says another."""
    return today() + timedelta(days=USUAL_DAYS)


def _note_use(token: Token) -> None:
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - GRAIN)
    if token.last_used_at is None or token.last_used_at < now - GRAIN:
        Token.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _ordered(scopes: set[str]) -> list[str]:
    if unknown := scopes - set(Scope.values):
        raise Invalid(f"There is no scope '{min(unknown)}'.", field="scopes")
    return [scope for scope in Scope.values if scope in scopes]


def _check_day(expires: date) -> None:
    last = today() + timedelta(days=MOST_DAYS)
    if not today() <= expires <= last:
        raise Invalid(f"Choose a day from today to {last}.", field="expires")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _told(token: Token) -> dict[str, object]:
    return {"name": token.name, "scopes": token.scopes, "expires": token.expires.isoformat()}
