"""Webhooks: addresses that a tree's administrators have told of what happens in it.

    event               when
    published           a revision was published
    review-requested    it became somebody's turn to review a change request
    trial-failed        a required trial of a change in review did not end as declared
    ping                somebody tries the address out

A delivery is a row, written in the transaction of what it tells of, and sent by a worker
(:mod:`workers.deliveries`) until the receiver takes it. Its body is signed::

    X-Lockstep-Signature: t=1795390663,v1=<hex of HMAC-SHA-256(secret, "1795390663." + body)>

The secret is derived from the service's own key and shown once; it is not in the database.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from policy import audit
from policy.errors import Invalid
from policy.models import ChangeRequest, Delivery, Revision, Webhook
from policy.permissions import require
from policy.signals import deliveries_required

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from machines.models import Tree

PUBLISHED, REVIEW, TRIAL = EVENTS = ("published", "review-requested", "trial-failed")
PING = "ping"
MOST = 20
MAX_URL = 500
#: Rows of the past that each webhook keeps.
KEPT = 200
#: Failed trials that a body names.
MAX_NAMED = 50


# --- What administrators do -----------------------------------------------------------------------


@transaction.atomic
def add(tree: Tree, actor: User, url: str, events: Iterable[str]) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is not told again. Raises Forbidden and Invalid."""
    require(actor, "administer", tree)
    if tree.webhooks.count() >= MOST:
        raise Invalid(f"A tree has at most {MOST} webhooks.")
    webhook = Webhook.objects.create(
        tree=tree,
        url=checked_url(url),
        events=_checked_events(events),
        nonce=secrets.token_hex(32),
        created_by=actor,
    )
    audit.record(actor, "add webhook", webhook, after=_told(webhook))
    return webhook, secret_of(webhook)


@transaction.atomic
def change(webhook: Webhook, actor: User, url: str, events: Iterable[str]) -> Webhook:
    """Another address, or other events; the secret stays. Raises Forbidden and Invalid."""
    require(actor, "administer", webhook.tree)
    before = _told(webhook)
    webhook.url, webhook.events = checked_url(url), _checked_events(events)
    if _told(webhook) != before:
        webhook.save(update_fields=["url", "events"])
        audit.record(actor, "change webhook", webhook, before=before, after=_told(webhook))
    return webhook


@transaction.atomic
def remove(webhook: Webhook, actor: User) -> None:
    """It is told nothing more; what it was told is forgotten. Raises Forbidden."""
    require(actor, "administer", webhook.tree)
    audit.record(actor, "remove webhook", webhook, before=_told(webhook))
    webhook.delete()


@transaction.atomic
def ping(webhook: Webhook, actor: User) -> Delivery:
    """Try the address out. Raises Forbidden."""
    require(actor, "administer", webhook.tree)
    delivery = _write(webhook, PING, {"by": actor.get_username()})
    audit.record(actor, "ping webhook", webhook)
    deliveries_required.send(sender=Delivery)
    return delivery


@transaction.atomic
def repeat(delivery: Delivery, actor: User) -> Delivery:
    """Send a delivery again, the same to the byte and under the same name. Raises Forbidden."""
    webhook = delivery.webhook
    require(actor, "administer", webhook.tree)
    Delivery.objects.filter(pk=delivery.pk).update(
        due_at=timezone.now(), attempts=0, delivered_at=None, error=""
    )
    audit.record(actor, "repeat delivery", webhook, after={"delivery": str(delivery.identity)})
    deliveries_required.send(sender=Delivery)
    delivery.refresh_from_db()
    return delivery


# --- What happens ---------------------------------------------------------------------------------


def tell_published(revision: Revision, change: ChangeRequest) -> None:
    """A revision was published. Call it in the transaction that publishes."""
    more = {
        "revision": {"number": revision.number, "digest": revision.digest},
        "published_by": revision.published_by.get_username(),
    }
    _tell(change, PUBLISHED, more)


def tell_review(change: ChangeRequest, people: Collection[User]) -> None:
    """It became these people's turn to review. Call it in the transaction that made it so."""
    names = sorted(person.get_username() for person in people)
    if names:
        _tell(change, REVIEW, {"reviewers": names})


def tell_trials(change: ChangeRequest, failed: Iterable[Mapping[str, str]]) -> None:
    """These required trials of the present content did not end as declared; told once for them.

    Each has ``source``, ``destination``, ``machine_type``, ``expected`` and ``outcome``.
    """
    listed = list(failed)
    if not listed:
        return
    matter = json.dumps([change.pk, change.digest, listed], sort_keys=True)
    key = hashlib.sha256(matter.encode()).hexdigest()
    more = {"failed": listed[:MAX_NAMED], "failed_count": len(listed)}
    _tell(change, TRIAL, more, f"{TRIAL}:{key}")


def _tell(change: ChangeRequest, event: str, more: Mapping[str, Any], key: str = "") -> None:
    listening = [item for item in change.release.tree.webhooks.all() if event in item.events]
    told = False
    for webhook in listening:
        if key and webhook.deliveries.filter(key=key).exists():
            continue
        _write(webhook, event, {**_change(change), **more}, key)
        told = True
    if told:
        deliveries_required.send(sender=Delivery)


def _change(change: ChangeRequest) -> dict[str, Any]:
    return {
        "release": change.release.label,
        "change": {
            "id": change.pk,
            "title": change.title,
            "author": change.author.get_username(),
            "status": change.status,
            "digest": change.digest,
            "url": f"{settings.LOCKSTEP_URL}/changes/{change.pk}/",
        },
    }


def _write(webhook: Webhook, event: str, matter: Mapping[str, Any], key: str = "") -> Delivery:
    now = timezone.now()
    delivery = Delivery(webhook=webhook, event=event, key=key, due_at=now)
    body = {
        "event": event,
        "delivery": str(delivery.identity),
        "at": now.isoformat(timespec="seconds"),
        "tree": webhook.tree.name,
        **matter,
    }
    delivery.body = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    delivery.save()
    old = webhook.deliveries.order_by("-id").values_list("pk", flat=True)[KEPT : KEPT + 1]
    for last in old:
        webhook.deliveries.filter(pk__lte=last, due_at=None).delete()
    return delivery


# --- Secrets and addresses ------------------------------------------------------------------------


def secret_of(webhook: Webhook) -> str:
    """What the receiver checks signatures with."""
    key = hashlib.sha256(b"lockstep.webhook\0" + settings.SECRET_KEY.encode()).digest()
    return "whsec_" + hmac.new(key, webhook.nonce.encode(), hashlib.sha256).hexdigest()


def signature(secret: str, body: bytes, moment: int) -> str:
    """The value of ``X-Lockstep-Signature`` at a Unix time in seconds."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def checked_url(url: str) -> str:
    """An address that could be told. Raises :class:`Invalid`.

    What its name leads to is looked at when it is told (:mod:`workers.outgoing`): that may change.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Invalid("This is no address.", field="url") from error
    host = parts.hostname or ""
    if len(text) > MAX_URL or parts.scheme not in ("http", "https") or not host or port == 0:
        raise Invalid("Give an address that begins with https://.", field="url")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Invalid("Give the address without a name, a password or a fragment.", field="url")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise Invalid("An address has no spaces.", field="url")
    if not may_be_told(host, parts.scheme):
        raise Invalid(
            "It leads into a private network, or is not https: "
            "LOCKSTEP_WEBHOOK_NETWORKS has to allow that.",
            field="url",
        )
    return text


def may_be_told(host: str, scheme: str) -> bool:
    """Whether a host, where it is an address of numbers, may be told; a name may, with https."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        allowed = bool(settings.LOCKSTEP_WEBHOOK_NETWORKS)
        return scheme == "https" or allowed
    return is_allowed(address) or (scheme == "https" and is_public(address))


def is_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the service's settings allow this address, private as it may be."""
    return any(
        address.version == network.version and address in network
        for network in settings.LOCKSTEP_WEBHOOK_NETWORKS
    )


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it leads onto the internet, wrapped as it may be (RFC 4291, 3056, 4380, 6052)."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(item is not None and not is_public(item) for item in wrapped):
            return False
        if address not in _UNICAST and address not in _NAT64:
            return False  # site-local, translated on the spot, or given to nobody
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: What IANA has given out of IPv6 for the internet.
_UNICAST = ipaddress.IPv6Network("2000::/3")


def _checked_events(events: Iterable[str]) -> list[str]:
    chosen = set(events)
    if unknown := chosen - set(EVENTS):
        raise Invalid(f"There is no event '{min(unknown):.40}'.", field="events")
    if not chosen:
        raise Invalid("Choose at least one event.", field="events")
    return [event for event in EVENTS if event in chosen]


def _told(webhook: Webhook) -> dict[str, Any]:
    """What the audit trail, which everybody reads, tells: of the address where it leads.

    The rest is often a secret, by which anybody may post there. Its digest tells another one.
    """
    return {
        "tree": webhook.tree.name,
        "host": webhook.host,
        "address_sha256": hashlib.sha256(webhook.url.encode()).hexdigest(),
        "events": webhook.events,
    }
