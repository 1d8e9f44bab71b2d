"""What may be done with a change request, by the action's name; each says what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from policy.models import ChangeRequest
from policy.review import reviewers, workflow


def _submit(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    workflow.submit(found, user)
    return _("Submitted for review.")


def _approve(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    workflow.approve(found, user, data["digest"], data["text"])
    return _("Approved.")


def _request_changes(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    workflow.request_changes(found, user, data["digest"], data["text"])
    return _("Changes requested.")


def _comment(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    workflow.comment(found, user, data["text"])
    return _("Comment added.")


def _withdraw(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    workflow.withdraw(found, user)
    return _("Withdrawn.")


def _publish(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    revision = workflow.publish(found, user)
    return _("Published as %(revision)s. Its bundle is being built.") % {"revision": revision}


def _run_trials(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    return _("%(count)d trials queued.") % {"count": workflow.run_trials(found, user)}


def _request_review(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    asked = reviewers.request(found, user, data["reviewer"])
    return _("%(person)s is asked to review it.") % {"person": asked.reviewer}


def _withdraw_request(found: ChangeRequest, user: Any, data: dict[str, str]) -> str:
    reviewers.withdraw(found, user, data["reviewer"])
    return _("%(person)s is no longer asked.") % {"person": data["reviewer"]}


#: The name that an address has for it → what it does. Each raises PolicyError, and says in words
#: for a person what it has done.
ACTIONS: dict[str, Callable[[ChangeRequest, Any, dict[str, str]], str]] = {
    "submit": _submit,
    "approve": _approve,
    "request-changes": _request_changes,
    "comment": _comment,
    "withdraw": _withdraw,
    "publish": _publish,
    "run-trials": _run_trials,
    "request-review": _request_review,
    "withdraw-request": _withdraw_request,
}
