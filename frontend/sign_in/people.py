"""Whose a provider's word is: a person is who the same issuer called by the same subject before.

E-mail addresses and login names match nobody: they change hands, and a provider may let people
choose them. Who already has a local account is linked to a subject by an administrator.
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from frontend.models import Identity
from frontend.sign_in.exchange import SignInFailed
from policy import audit
from policy.models import AuditEntry

_LONGEST = 60
_UNUSUAL = re.compile(r"[^a-z0-9._-]+")


def person_of(issuer: str, claims: dict[str, Any]) -> User:
    """Who that is; somebody who comes for the first time becomes a person without any role.

    Raises SignInFailed for a subject that is none, and for a person who is disabled.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise SignInFailed(_("The provider does not say who you are."), 403)
    person: User | None
    try:
        person = _known(issuer, subject) or _new(issuer, subject, claims)
    except IntegrityError:  # two first sign-ins at once: the other one won
        person = _known(issuer, subject)
    if person is None:
        raise SignInFailed(_("Somebody came at the same moment. Try again."), 400)
    if not person.is_active:
        raise SignInFailed(_("Your account here is disabled. Ask an administrator."), 403)
    return person


def _known(issuer: str, subject: str) -> User | None:
    found = Identity.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
    return found.user if found else None


@transaction.atomic
def _new(issuer: str, subject: str, claims: dict[str, Any]) -> User:
    email = claims.get("email") if claims.get("email_verified") is True else ""
    person = User(username=_free_name(claims), email=_address(email))
    person.first_name = _short(claims.get("given_name"), 150)
    person.last_name = _short(claims.get("family_name"), 150)
    person.set_unusable_password()
    person.save()
    Identity.objects.create(user=person, issuer=issuer, subject=subject)
    told = {"issuer": issuer, "subject": subject, "email": person.email}
    audit.record(person, "first sign-in", person, after=told)
    return person


def _short(text: object, longest: int) -> str:
    return text if isinstance(text, str) and len(text) <= longest and text.isprintable() else ""


def _address(email: object) -> str:
    """A mail address that forms would take, too; of any other nothing is kept."""
    text = _short(email, 254)
    try:
        validate_email(text)
    except ValidationError:
        return ""
    return text


def _free_name(claims: dict[str, Any]) -> str:
    """A login name that is nobody's and never was, as far as the audit trail knows."""
    wanted = str(claims.get("preferred_username") or claims.get("nickname") or "")
    plain = _UNUSUAL.sub("-", wanted.partition("@")[0].lower()).strip("-.")[:_LONGEST] or "person"
    used = {name.lower() for name in _used(User, "username", plain)}
    used |= {name.lower() for name in _used(AuditEntry, "actor", plain)} | {audit.SYSTEM}
    candidates = (plain, *(f"{plain}-{number}" for number in range(2, len(used) + 3)))
    return next(name for name in candidates if name not in used)


def _used(model: Any, field: str, beginning: str) -> set[str]:
    rows = model.objects.filter(**{f"{field}__istartswith": beginning})
    return set(rows.values_list(field, flat=True).distinct())
