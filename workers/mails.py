"""Sending mails: each is a row (policy.models.Notice) until it is sent, so none is lost.

A mail is sent before its row says so: what a crash interrupts is sent again, under the same
Message-ID, so that a mail program can tell. Every mail has a link that switches its kind off, for
people and, in its headers, for programs (RFC 2369, RFC 8058).
"""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from policy.messages import notices
from policy.models import Notice
from policy.permissions import may
from workers import jobs
from workers.models import Job

log = logging.getLogger(__name__)

#: After so many failures a mail is given up; its row keeps the last error.
MAX_FAILURES = 5
#: How long after a failure it is tried again.
AGAIN_AFTER = timedelta(minutes=5)


def waiting() -> QuerySet[Notice]:
    """The mails that wait to be sent, the oldest first."""
    unsent = Notice.objects.filter(sent_at=None, failures__lt=MAX_FAILURES)
    return unsent.select_related("recipient", "change_request__release__tree").order_by("id")


def take_up() -> None:
    """Ask again for what waits: a mail that could not be sent, or was written while a job ended."""
    if waiting().exists() and not jobs.asked_since(Job.Kind.MAILS, timezone.now() - AGAIN_AFTER):
        jobs.enqueue_mails()


def send(notice: Notice) -> bool:
    """Send a mail; returns whether it is dealt with. Its row tells why where it is not."""
    person = notice.recipient
    wanted = notices.wanted_by(person)[notice.kind]
    # Between writing and sending somebody may have left, or may want no more mails.
    if not (wanted and person.is_active and person.email and may(person, "view", None)):
        notice.delete()
        return True
    try:
        message(notice).send()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        # The last is an address that is none: it must not keep everybody else's mails back.
        log.warning("Mail %s to %s: %s", notice.pk, person, error)
        text = f"{type(error).__name__}: {error}"[:500]
        Notice.objects.filter(pk=notice.pk).update(failures=F("failures") + 1, error=text)
        return False
    Notice.objects.filter(pk=notice.pk).update(sent_at=timezone.now(), error="")
    return True


def message(notice: Notice) -> EmailMessage:
    """The mail as it is sent: plain text, with the way to its change request and out of it."""
    token = notices.unsubscribe_token(notice.recipient, notice.kind)
    link = settings.LOCKSTEP_URL + reverse("unsubscribe", args=[token])
    change = settings.LOCKSTEP_URL + reverse("change", args=[notice.change_request_id])
    settings_page = settings.LOCKSTEP_URL + reverse("mail-settings")
    end = _("No more mails of this kind: %(link)s\nAll settings: %(page)s") % {
        "link": link,
        "page": settings_page,
    }
    host = urlsplit(settings.LOCKSTEP_URL).hostname or "localhost"
    return EmailMessage(
        subject=notice.subject,
        body=f"{notice.text}\n\n{change}\n\n-- \n{end}\n",
        to=[notice.recipient.email],
        headers={
            "Message-ID": f"<notice-{notice.pk}@{host}>",
            # One change request is one thread in a mail program.
            "References": f"<change-{notice.change_request_id}@{host}>",
            "List-Unsubscribe": f"<{link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )
