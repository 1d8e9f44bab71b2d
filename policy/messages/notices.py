"""Who is told of what by mail: written with what it tells of, sent by a worker after the commit.

Told is whoever's turn it becomes, and who takes part in a change request (wrote, was asked, voted
or commented) of its votes, comments and end; nobody of what they did themselves, and each person
once for one deed. What somebody does not want (:class:`MailSettings`) is not even written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from policy import audit
from policy.errors import Invalid
from policy.messages import webhooks
from policy.models import ChangeRequest, Comment, MailSettings, Notice, Review, ReviewRequest
from policy.review import turns
from policy.signals import mails_required

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Notice.Kind
KINDS: tuple[str, ...] = tuple(Kind.values)
_SALT = "lockstep.unsubscribe"
MAX_SUBJECT = 255


@dataclass(slots=True)
class News:
    """What there is to tell those who take part; without a kind nothing but turns is told."""

    kind: str = ""
    headline: str = ""
    text: str = ""

    def tell(self, kind: str, headline: str, text: str = "") -> None:
        self.kind, self.headline, self.text = kind, headline, text


@contextmanager
def told(change: ChangeRequest, actor: User | None) -> Iterator[News]:
    """Tell by mail whose turn it becomes by what happens within, and the news that it yields.

    Webhooks hear of it where it is a turn to review. All of it is written in the same
    transaction: what is undone is not told.
    """
    with transaction.atomic():
        before = _whose(change)
        news = News()
        yield news
        after = _whose(change)
        fresh = ChangeRequest.objects.select_related("release__tree", "author").get(pk=change.pk)
        done_by = {actor.pk} if actor is not None else set()
        written = [
            _notice(fresh, person, Kind.TURN, turn.why, _sentences(news))
            for pk, (person, turn) in after.items()
            if pk not in done_by and (pk not in before or before[pk][1].code != turn.code)
        ]
        if news.kind:
            known = done_by | {notice.recipient_id for notice in written}
            written += [
                _notice(fresh, person, news.kind, news.headline, news.text)
                for person in _taking_part(fresh)
                if person.pk not in known
            ]
        _write(written)
        asked = [
            person
            for pk, (person, turn) in after.items()
            if turn.code == "review" and (pk not in before or before[pk][1].code != "review")
        ]
        webhooks.tell_review(fresh, asked)


def _whose(change: ChangeRequest) -> dict[int, tuple[User, turns.Turn]]:
    return turns.people_of(turns.of_one(change))


def _sentences(news: News) -> str:
    return "\n\n".join(text for text in (news.headline, news.text) if text)


def _notice(
    change: ChangeRequest, person: User, kind: str, headline: str, text: str, key: str = ""
) -> Notice:
    subject = f"[Lockstep] {change.release.label} #{change.pk} {change.title}: {headline}"
    body = f"{headline}\n\n{text}" if text else headline
    line = " ".join(subject.split())
    return Notice(
        recipient=person,
        change_request=change,
        kind=kind,
        key=key,
        subject=line if len(line) <= MAX_SUBJECT else f"{line[: MAX_SUBJECT - 1]}…",
        text=body,
    )


def _taking_part(change: ChangeRequest) -> list[User]:
    """Everybody who has a part in the change request, by name."""
    ids = {change.author_id, *change.editors.values_list("pk", flat=True)}
    ids |= set(
        ReviewRequest.objects.filter(change_request=change).values_list("reviewer", flat=True)
    )
    ids |= set(Review.objects.filter(change_request=change).values_list("reviewer", flat=True))
    said = Comment.objects.filter(thread__change_request=change, published_at__isnull=False)
    ids |= set(said.values_list("author", flat=True))
    return list(User.objects.filter(pk__in=ids, is_active=True).order_by("username"))


def _write(notices: Iterable[Notice]) -> None:
    """Write those that can be sent and are wanted, and ask the workers to send them."""
    found = [notice for notice in notices if notice.recipient.email]
    unwanted = MailSettings.objects.in_bulk(
        [notice.recipient_id for notice in found], field_name="user_id"
    )
    wanted = [
        notice
        for notice in found
        if notice.recipient_id not in unwanted
        or getattr(unwanted[notice.recipient_id], notice.kind)
    ]
    # Two may remind of the same at the same moment: one of them writes it.
    Notice.objects.bulk_create(wanted, ignore_conflicts=True)
    if wanted:
        mails_required.send(sender=Notice)


# --- Reminders ------------------------------------------------------------------------------------


def remind(days: int, now: datetime | None = None) -> None:
    """Remind of every turn that is older than so many days, once in each such span of time."""
    now = now or timezone.now()
    span = timedelta(days=days)
    written: list[Notice] = []
    for change, found in turns.of_all_open():
        waiting = [turn for turn in found if now - turn.since >= span]
        for person, turn in turns.people_of(waiting).values():
            age = now - turn.since
            key = (
                f"reminder:{change.pk}:{turn.code}:{person.pk}:"
                f"{turn.since.isoformat()}:{age // span}"
            )
            text = _("It has waited for %(days)d days.") % {"days": age.days}
            written.append(_notice(change, person, Kind.REMINDER, turn.why, text, key))
    with transaction.atomic():
        _write(written)


# --- What a person wants --------------------------------------------------------------------------


def wanted_by(user: User) -> dict[str, bool]:
    """Kind of mail → whether the person wants it."""
    found = MailSettings.objects.filter(user=user).first() or MailSettings(user=user)
    return {kind: getattr(found, kind) for kind in KINDS}


def want(user: User, wanted: Mapping[str, bool]) -> dict[str, bool]:
    """Write down which kinds of mail a person wants; those not named stay. Raises Invalid."""
    for kind in wanted:
        if kind not in KINDS:
            raise Invalid(f"There is no kind of mail '{kind:.40}'.", field=kind)
    with transaction.atomic():
        before = wanted_by(user)
        after = before | dict(wanted)
        if after != before:
            MailSettings.objects.update_or_create(user=user, defaults=after)
            audit.record(user, "change mail settings", user, before=before, after=after)
    return after


def unsubscribe_token(user: User, kind: str) -> str:
    """What a mail's link carries: good for switching this one kind of mail off, for ever."""
    return signing.dumps([user.pk, kind], salt=_SALT, compress=False)


def read_token(token: str) -> tuple[User, str]:
    """Whom a link is for, and which kind of mail. Raises Invalid where it was not made here."""
    try:
        pk, kind = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise Invalid("This link is not complete, or was changed.") from error
    user = User.objects.filter(pk=pk).first()
    if user is None or kind not in KINDS:
        raise Invalid("Nobody is mailed by this link any more.")
    return user, kind
