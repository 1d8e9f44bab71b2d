"""Whatever a page lets somebody do, a program can do through the API, or it is named as personal.

A page's action that stands in neither list fails here: add it to the API, or say why it is a
person's own (``docs/reference/api.md``, “What only the pages have”).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from frontend.api.urls import urlpatterns as api_patterns
from frontend.bulk import ACTIONS as BULK_ACTIONS
from frontend.urls import urlpatterns as page_patterns
from policy.edits.operations import OPERATIONS

#: A page's action → how a program does the same: method and name of an address, or an operation.
DONE_BY = {
    "token-revoke": "DELETE api-token",
    "mail-settings": "PUT api-mail-settings",
    "release-new": "POST api-releases",
    "tree": "PUT api-review-rules, PUT api-promises, DELETE api-promises",
    "webhooks": "POST api-webhooks",
    "webhook-change": "PUT api-webhook",
    "webhook-ping": "POST api-webhook-ping",
    "webhook-remove": "DELETE api-webhook",
    "delivery-repeat": "POST api-delivery-repeat",
    "tokens": "POST api-tokens",
    "overrides-save": "set-override, clear-override",
    "machine-type-add": "add-machine-type",
    "machine-type-remove": "remove-machine-type",
    "machine-type-seed": "seed-machine-types",
    "entry-add": "add-entry",
    "entry-change": "change-entry",
    "entry-move": "move-entry",
    "entry-remove": "remove-entry",
    "entry-restore": "add-entry",
    "change-new": "POST api-changes",
    "change-edit": "PUT api-change",
    "change-rebase": "POST api-change-rebase",
    "change-merge": "POST api-change-edits",  # by its choices
    "backport-target": "POST api-changes",
    "backport-new": "POST api-change-edits, add-backport, add-required-entries",
    "feature-record": "POST api-features",
    "backport-remove": "remove-backport",
    "backport-entry": "add-required-entries",
    "migration-add": "add-migration",
    "migration-remove": "remove-migration",
    "devices-choose": "choose-devices",
    "mitigation-add": "add-mitigation",
    "mitigation-remove": "remove-mitigation",
    "policy-import": "PUT api-change-policy",
    "object-read": "POST api-object-mark",
    "object-unread": "POST api-object-mark",
    "threads": "POST api-threads",
    "thread-action": "POST api-thread-action",
    "draft-edit": "PUT api-draft",
    "draft-discard": "DELETE api-draft",
    "finding-apply": "POST api-finding-apply, apply-proposal",
    "finding-waive": "POST api-finding-waive, waive-finding",
    "waiver-add": "POST api-waivers, waive-trial",
    "waiver-remove": "DELETE api-waiver, remove-waiver",
    "change-action": "POST api-change-action",
    "proposals": "POST api-proposals",
    "trial-vary": "POST api-trial-vary",
    "trial-stream": "POST api-trial-stream",
    "trial-remedies": "POST api-trial-remedies",
    "streams": "POST api-streams",
    "stream-verdicts": "POST api-stream-verdicts",
    "stream-share": "POST api-stream-share",
    "stream-delete": "DELETE api-stream",
    "bundle-index-sign": "POST api-bundle-index-sign",
    "bundle-revoke": "POST api-bundle-revoke",
    "bundle-sign": "POST api-bundle-sign",
    "comparison": "POST api-compare",
    "explain": "POST api-explain",
    "import-new": "POST api-imports",
    "job-cancel": "POST api-job-cancel",
}
#: What is done with many rows of a list → how a program does it with each, or with all of them.
BULK_BY = {
    ("trials", "run-again"): "POST api-trial-run-again",
    ("changes", "submit"): "POST api-change-action",
    ("changes", "withdraw"): "POST api-change-action",
    ("machine-types", "add-entry"): "add-entry",
    ("machine-types", "change-entry"): "change-entry",
    ("machine-types", "remove-entry"): "remove-entry",
    ("devices", "override"): "set-override",
    ("devices", "clear-override"): "clear-override",
}
#: What is a person's own before their screen, and no program's: docs/reference/api.md.
PERSONAL = {
    "login",
    "logout",
    "password",
    "settings",
    "theme",
    "unsubscribe",
    "list-columns",
    "saved-filters",
    "saved-filter",
    # What somebody has typed and not sent yet.
    "merge-drop",
    "backport-keep",
    "backport-drop",
    # Its actions are in BULK_BY.
    "bulk",
}


def takes_post(view: Callable[..., Any]) -> bool:
    """Whether a page's view takes a POST: one that says nothing takes everything."""
    methods = None
    while True:
        cells = zip(view.__code__.co_freevars, view.__closure__ or (), strict=True)
        methods = next((cell.cell_contents for name, cell in cells
                        if name == "request_method_list"), methods)  # fmt: skip
        if not hasattr(view, "__wrapped__"):
            return methods is None or "POST" in methods
        view = view.__wrapped__


def page_actions() -> Iterator[str]:
    """The names of the pages' addresses at which something can be done."""
    for pattern in page_patterns:
        view = getattr(pattern, "callback", None)
        if view is not None and takes_post(view):
            yield pattern.name


def calls() -> Iterator[str]:
    """Method and name of every call of the API, and the name of every operation."""
    yield from OPERATIONS
    for pattern in api_patterns:
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        for method in ("post", "put", "delete"):
            if hasattr(view, method):
                yield f"{method.upper()} {pattern.name}"


def test_every_action_of_a_page_is_in_the_api_or_personal() -> None:
    assert not DONE_BY.keys() & PERSONAL
    assert set(page_actions()) == DONE_BY.keys() | PERSONAL
    assert BULK_ACTIONS.keys() == BULK_BY.keys()


def test_what_is_named_is_there() -> None:
    named = {item for told in (*DONE_BY.values(), *BULK_BY.values()) for item in told.split(", ")}
    assert named <= set(calls())
