"""Recent activity for people: what one person did to one object in a row is one line of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from policy.models import AuditEntry

#: What the audit trail calls an action, and what people say it was.
_WORDS: dict[str, str | Promise] = {
    "add backport": _("added a backport"),
    "add entry": _("added an entry"),
    "add identity": _("linked to a provider"),
    "add machine type": _("added a machine type"),
    "add migration": _("declared a migration"),
    "add mitigation": _("added a mitigation"),
    "add release": _("added"),
    "add tree": _("added"),
    "add user": _("added"),
    "add webhook": _("added a webhook"),
    "apply proposal": _("made a proposed change"),
    "approvals needed": _("was judged by another number of approvals"),
    "approve": _("approved"),
    "asked for stream": _("had its stream made again"),
    "asked for verdict": _("asked for a verdict"),
    "begin backport": _("began a backport"),
    "build bundle": _("built"),
    "cancel-job": _("cancelled"),
    "change entry": _("changed an entry"),
    "change mail settings": _("changed their mails"),
    "change password": _("changed their password"),
    "change preferences": _("changed their preferences"),
    "change release": _("changed"),
    "change role": _("changed a role"),
    "change tree": _("changed"),
    "change user": _("changed"),
    "change webhook": _("changed a webhook"),
    "choose devices": _("chose the devices of its trials"),
    "clear override": _("cleared an override"),
    "comment": _("commented"),
    "created release": _("created"),
    "delete identity": _("unlinked from a provider"),
    "delete release": _("deleted"),
    "delete tree": _("deleted"),
    "delete user": _("deleted"),
    "deleted stream": _("deleted it"),
    "drop begun backport": _("dropped a begun backport"),
    "edit description": _("edited the description"),
    "expired stream": _("was over"),
    "first sign-in": _("came for the first time"),
    "give role": _("gave a role"),
    "import": _("imported"),
    "issue token": _("issued a token"),
    "lift lock": _("lifted a lock"),
    "lock out": _("locked out after failed sign-ins"),
    "make several edits": _("made several edits"),
    "merge edits": _("merged an edit with another's"),
    "merge policy": _("merged a policy file"),
    "move entry": _("moved an entry"),
    "open": _("opened"),
    "ping webhook": _("tried a webhook out"),
    "publish key": _("published a key"),
    "publish": _("published"),
    "rebase": _("rebased"),
    "record feature": _("recorded"),
    "relax version": _("relaxed a version"),
    "remove backport": _("removed a backport"),
    "remove entry": _("removed an entry"),
    "remove machine type": _("removed a machine type"),
    "remove migration": _("removed a migration"),
    "remove mitigation": _("removed a mitigation"),
    "remove waiver": _("removed a waiver"),
    "remove webhook": _("removed a webhook"),
    "reopen thread": _("reopened a thread"),
    "repeat delivery": _("sent a delivery again"),
    "replace policy": _("imported a policy file"),
    "request changes": _("requested changes"),
    "request review": _("asked for a review"),
    "resolve thread": _("resolved a thread"),
    "reset password": _("set a new password"),
    "retire key": _("retired a key"),
    "revoke bundle": _("revoked it"),
    "revoke token": _("revoked a token"),
    "run trial again": _("had it run again"),
    "run trials": _("asked for trials"),
    "seed machine types": _("composed machine types"),
    "set approvals": _("changed the approvals needed"),
    "set promises": _("changed the promised migrations"),
    "shared stream": _("shared it"),
    "sign bundle": _("signed it"),
    "sign index": _("signed the index"),
    "submit": _("submitted"),
    "take password": _("took a password away"),
    "take role": _("took a role away"),
    "tighten version": _("tightened a version"),
    "uploaded stream": _("uploaded it"),
    "varied trial": _("tried other properties"),
    "waive finding": _("waived a finding"),
    "waive trial": _("waived a trial"),
    "withdraw request": _("took a request for review back"),
    "withdraw": _("withdrew"),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """One kind of action and how often it was done."""

    words: str | Promise
    times: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What ``actor`` did to one object, one thing after the other. ``address``: "" without a page.

    ``deeds`` stand in the order in which they were first done, ``at`` is the newest one's time.
    """

    actor: str
    label: str
    address: str
    deeds: tuple[Deed, ...]
    at: datetime


def grouped(entries: Iterable[AuditEntry], limit: int) -> list[Activity]:
    """At most ``limit`` activities of these entries, the newest first as the entries are."""
    groups = groupby(entries, lambda item: (item.actor, item.object_type, item.object_id))
    return [_activity(list(found)) for _key, found in islice(groups, limit)]


def _activity(entries: Sequence[AuditEntry]) -> Activity:
    newest = entries[0]
    times = Counter(entry.action for entry in reversed(entries))
    return Activity(
        actor=newest.actor,
        label=newest.object_label,
        address=_address(newest),
        deeds=tuple(Deed(_WORDS.get(action, action), count) for action, count in times.items()),
        at=newest.at,
    )


def _address(entry: AuditEntry) -> str:
    if entry.object_type == "policy.changerequest":
        return reverse("change", args=[entry.object_id])
    if entry.object_type == "machines.release":
        return reverse("release", args=entry.object_label.split(" ", 1))
    return ""
