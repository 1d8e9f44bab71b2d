"""What a token may call: one line for each address that does more than read.

A scope is asked for besides the person's role, never instead of it. Whoever is signed in by a
session needs none: the pages have no scopes either. An address that is missing here lets no token
write, and fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from policy.models import Token

READ, WRITE, REVIEW, PUBLISH = Token.Scope
#: For what no token may do: else one that only reads could issue one that publishes, and one that
#: writes could lower the approvals that its change needs.
SESSION = "session"

#: What becomes of a change request, by the action in the address; others are edits.
ACTIONS: Mapping[str, str] = {
    "approve": REVIEW,
    "request-changes": REVIEW,
    "comment": REVIEW,
    "publish": PUBLISH,
}
#: The scope for every method of an address but those that only read, by the address's name.
SCOPES: Mapping[str, str | Mapping[str, str]] = {
    "api-tokens": SESSION,
    "api-token": READ,  # a token revokes itself, and no other: see frontend.api.tokens
    # What an administrator decides takes them, not a program of theirs.
    "api-review-rules": SESSION,
    "api-webhooks": SESSION,  # its answer holds a secret
    "api-webhook": SESSION,
    "api-webhook-ping": SESSION,
    "api-delivery-repeat": SESSION,
    "api-promises": SESSION,
    "api-mail-settings": WRITE,
    "api-changes": WRITE,
    "api-change": WRITE,
    "api-features": WRITE,
    "api-proposals": WRITE,
    "api-releases": WRITE,
    "api-object-mark": REVIEW,
    "api-change-policy": WRITE,
    "api-change-edits": WRITE,
    "api-change-edits-preview": READ,  # nothing is written
    "api-change-rebase": WRITE,
    "api-change-action": ACTIONS,
    "api-threads": REVIEW,
    "api-thread-action": REVIEW,
    "api-draft": REVIEW,
    "api-finding-waive": WRITE,
    "api-finding-apply": WRITE,
    "api-waivers": WRITE,
    "api-waiver": WRITE,
    "api-compare": READ,  # a stream is uploaded to be looked at
    "api-explain": READ,  # and so is a log
    "api-trial-run-again": WRITE,
    "api-trial-remedies": WRITE,
    "api-trial-stream": WRITE,
    "api-trial-vary": WRITE,
    "api-streams": WRITE,
    "api-stream": WRITE,
    "api-stream-share": WRITE,
    "api-stream-verdicts": WRITE,
    "api-job-cancel": WRITE,
    "api-imports": WRITE,
    "api-release-findings": READ,  # nothing is written
    "api-bundle-index-sign": PUBLISH,
    "api-bundle-sign": PUBLISH,
    "api-bundle-revoke": PUBLISH,
}


def scope_of(method: str, name: str, action: str = "") -> str:
    """The scope that a call needs: ``name`` is the address's, ``action`` what stands in it."""
    if method in SAFE_METHODS:
        return READ
    scope = SCOPES.get(name, SESSION)
    return scope if isinstance(scope, str) else scope.get(action, WRITE)


class HasScope(BasePermission):
    """A token was issued for what it asks for."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, Token):
            return True
        match = request.resolver_match
        name = (match.url_name if match else "") or ""
        needed = scope_of(request.method or "", name, view.kwargs.get("action", ""))
        if needed == SESSION:
            self.message = "No token may do this: sign in."
        else:
            self.message = f"The token lacks the scope '{needed}'."
        return needed in request.auth.scopes
