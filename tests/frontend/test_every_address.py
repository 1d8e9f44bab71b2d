"""Every address there is, asked by those whom it is not for: nothing is told, nothing is written.

The addresses are those of the URL configuration, so that a new one is asked without being named
here. Each is about something real, with everything in the form that any of them takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone
from policy_world import FEATURE_S, MACHINES, World, person
from signed_in import Login

from machines.models import Stream
from policy import edits, tokens
from policy.messages import webhooks
from policy.models import Role, Trial
from policy.publishing import bundle, signing
from policy.review import checking, discussion, workflow
from workers import jobs

SECRET = "quokka"
#: Whatever a page or a program may send, all at once: each address takes what it knows.
SENT: dict[str, Any] = {
    "title": "Taken over", "description": "x", "text": "x", "reason": "x", "justification": "x",
    "note": "x", "name": "x", "slug": "new-one", "release": "down 1.2", "tree": "down",
    "version": "1.3", "base": "up 1.0", "approvals": 3, "older": 1, "back": 1, "majors": "both",
    "url": "https://example.org/", "events": ["published"], "into": "down 1.2", "source": "up 1.0",
    "destination": "down 1.2", "machine_type": MACHINES[0], "expected": "correct", "driver": "foo",
    "property": "speed", "value": "6", "position": 0, "device": "foo", "section": "foo",
    "action": "relax", "devices": ["foo"], "number": 0, "reviewer": "other", "old": "up 1.0",
    "new": "up 2.0", "chosen": [{"proposal": "foo-d"}], "carriers": [], "log": "x", "choices": {},
    "operations": [{"op": "choose-devices", "devices": ["foo"]}], "signature": "x",
    "turns": False, "discussion": False, "outcomes": False, "reminders": False, "scopes": [],
    "started_on": "up 1.0", "entries": [], "set": "approvals", "do": "delete", "step": "do",
}  # fmt: skip
#: What is written about whoever asks, whatever is answered.
OF_THE_CALLER = {"django_session", "auth_user", "axes_accesslog", "axes_accessattempt"}
#: What is a person's own, and the record of it.
OF_ONE_PERSON = {
    "policy_auditentry", "policy_token", "policy_mailsettings", "policy_reviewedmark",
    "frontend_preferences", "frontend_listchoice", "frontend_savedfilter",
}  # fmt: skip
_SAID = {"policy_comment", "policy_thread", "policy_review", "policy_notice", "policy_turn"}
_JUDGED = {"policy_streamverdict", "workers_job"}
#: What whoever sees a change request, or edits any tree at all, may do.
FOR_EVERYBODY = {
    "threads": _SAID, "thread-action": _SAID, "change-action": _SAID, "draft-edit": _SAID,
    "features": {"policy_feature"},
}  # fmt: skip
#: So many of the API's addresses at least write something for whoever may do all of it.
MOST = 25
_WRITES = re.compile(r'^(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM) "(\w+)"')


@dataclass(frozen=True)
class Address:
    """``shown``: as it is in the configuration; ``whole``: with something in each of its places."""

    shown: str
    whole: str
    name: str


def addresses(parts: dict[str, Any]) -> Iterator[Address]:
    """Every address of the pages and of the API, its places filled from ``parts``."""
    for route, name in _routes(get_resolver().url_patterns, ""):
        values = {**parts, **_special(parts, route)}
        whole = re.sub(r"<\w+:(\w+)>", lambda found: str(values[found[1]]), route)  # noqa: B023
        for action in _actions(name):
            yield Address(f"/{route}", "/" + whole.replace("{action}", action), name)


def _routes(found: list[Any], before: str) -> Iterator[tuple[str, str]]:
    for item in found:
        route = before + str(item.pattern)
        if isinstance(item, URLPattern):
            yield route, item.name or ""
        elif not route.startswith("admin/"):
            yield from _routes(item.url_patterns, route)


def _actions(name: str) -> tuple[str, ...]:
    known = {
        "change-action": ("submit", "approve", "request-changes", "comment", "withdraw", "publish",
                          "run-trials", "request-review", "withdraw-request"),
        "thread-action": ("reply", "resolve", "reopen"),
        "api-object-mark": ("read", "unread"),
        "bulk": ("withdraw", "submit"),
    }  # fmt: skip
    return known.get(name.removeprefix("api-") if name not in known else name, ("",))


def _special(parts: dict[str, Any], route: str) -> dict[str, Any]:
    """Places of the same name that are about different things."""
    kinds = ("trials/", "streams/", "jobs/", "tokens/", "webhooks/", "lists/", "tree")
    found = {kind: parts[kind] for kind in kinds if kind in route and kind in parts}
    special: dict[str, Any] = {}
    for kind, value in found.items():
        if f"{kind}<int:pk>" in route:
            special["pk"] = value
    if "devices/<path:name>" in route:
        special["name"] = "foo"
    elif route.startswith(("trees/", "api/v1/trees/")):
        special["name"] = "down"
    elif route.startswith(("lists/", "bulk/")):
        special["name"] = "changes"
    elif route.startswith("people/"):
        special["name"] = "maintainer"
    if "filters/<int:pk>" in route:
        special["pk"] = parts["filters/"]
    if route.startswith("mails/"):
        special["token"] = "none"
    return special


@dataclass(frozen=True)
class Place:
    """The world with one of everything in it."""

    world: World
    parts: dict[str, Any]
    sent: dict[str, Any]


@pytest.fixture
def place(world: World) -> Place:
    bundle.store(world.published())
    signing.renew_index()
    change = edits.open_change(world.release, world.maintainer, SECRET, SECRET)
    change = world.edit(change, world.maintainer, "6")
    said = discussion.ask(change, world.maintainer, SECRET)
    workflow.comment(change, world.maintainer, SECRET)
    edits.record_feature(world.maintainer, world.new, FEATURE_S.slug, SECRET, "", "foo", [], None)
    stream = Stream.objects.create(
        owner=world.maintainer, name=SECRET, state="read", tree=world.release.tree,
        expires_at=timezone.now() + timedelta(1),
    )  # fmt: skip
    boss = person("boss", Role.ADMINISTRATOR)
    webhook, _ = webhooks.add(world.release.tree, boss, f"https://{SECRET}.example/", ["published"])
    delivery = webhooks.ping(webhook, boss)
    trial = Trial.objects.create(
        key="0" * 64, source=world.old, destination=world.release, machine_type=SECRET,
        inputs={end: {"globals": []} for end in ("source", "destination")}, state="failed",
        error=SECRET,
    )  # fmt: skip
    [job] = jobs.enqueue_again([trial], world.maintainer)
    token, _ = tokens.issue(world.maintainer, SECRET, ["write"], checking.today())
    parts = {
        "tree": "down", "version": "1.2", "name": MACHINES[0], "driver": "foo", "number": 1,
        "serial": 1, "pk": change.pk, "slug": FEATURE_S.slug, "thread": said.thread_id,
        "comment": said.pk, "identity": "x", "position": 0, "key": "x", "edit": 1,
        "action": "{action}", "delivery": delivery.pk, "username": "maintainer",
        "trials/": trial.pk, "streams/": stream.pk, "jobs/": job.pk, "tokens/": token.pk,
        "webhooks/": webhook.pk, "filters/": 1,
    }  # fmt: skip
    sent = {**SENT, "digest": change.digest, "lock_version": change.lock_version,
            "policy": change.policy.to_json(), "expires": str(checking.today()),
            "row": [str(change.pk)], "change": change.pk}  # fmt: skip
    return Place(world, parts, sent)


@dataclass(frozen=True)
class Told:
    """What came of a call: its status, the address that it leads to, its text, the tables that
    it wrote."""

    status: int
    goal: str
    text: str
    written: frozenset[str]


def asked(
    client: Client, place: Place, methods: str, below: str = "/"
) -> Iterator[tuple[str, Told]]:
    """Every address by each of the methods, with what came of it; all of that is undone."""
    cookies = dict(client.cookies)
    for address in addresses(place.parts):
        if not address.whole.startswith(below):
            continue
        is_api = address.whole.startswith("/api/v1/")
        for method in methods.split():
            if method in ("get", "post") or is_api:
                client.cookies.clear()  # signing out is undone as well
                client.cookies.update(cookies)
                told = _told(client, method, address.whole, _body(place, is_api, method))
                if told.status != HTTPStatus.METHOD_NOT_ALLOWED:
                    yield f"{method} {address.name}", told


def _body(place: Place, is_api: bool, method: str) -> dict[str, Any]:
    if method == "get":
        return {}
    if is_api:
        return {"data": json.dumps(place.sent), "content_type": "application/json"}
    return {"data": {key: value for key, value in place.sent.items() if _fits_a_form(value)}}


def _fits_a_form(value: Any) -> bool:
    return not isinstance(value, dict) and not (value and isinstance(value, list)
                                                and isinstance(value[0], dict))  # fmt: skip


def _told(client: Client, method: str, address: str, body: dict[str, Any]) -> Told:
    statements: list[str] = []

    def note(execute: Any, sql: str, *more: Any) -> Any:
        statements.append(sql)
        return execute(sql, *more)

    with transaction.atomic():
        with connection.execute_wrapper(note):
            answer = getattr(client, method)(address, **body)
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        transaction.set_rollback(True)
    written = {found[1] for sql in statements if (found := _WRITES.match(sql))}
    goal = answer.headers.get("Location", "")
    return Told(answer.status_code, goal, content.decode("utf-8", "replace"),
                frozenset(written - OF_THE_CALLER))  # fmt: skip


# --- Who asks -------------------------------------------------------------------------------------

PUBLIC = {"get bundle-keys", "get bundle-verifier", "get login", "post login", "post logout"}


def test_who_is_not_signed_in_is_told_nothing_and_writes_nothing(place: Place) -> None:
    for call, told in asked(Client(), place, "get post put delete"):
        assert SECRET not in told.text, call
        assert not told.written, call
        to_sign_in = told.status == HTTPStatus.FOUND and told.goal.startswith(reverse("login"))
        assert to_sign_in or told.status in (401, 404) or call in PUBLIC, (call, told.status)


def test_who_has_no_role_is_told_nothing_and_writes_nothing(place: Place, login: Login) -> None:
    for call, told in asked(login(person("nobody")), place, "get post put delete"):
        assert SECRET not in told.text, call
        assert told.written <= OF_ONE_PERSON, call


def test_who_may_do_everything_elsewhere_changes_nothing_here(place: Place, login: Login) -> None:
    """But takes part in discussions, as everybody does, and in the library, as all maintainers."""
    far = person("far", *Role, tree="elsewhere")
    for call, told in asked(login(far), place, "post put delete"):
        assert told.written <= (OF_ONE_PERSON | FOR_EVERYBODY.get(_family(call), set())), call


def test_who_only_looks_changes_nothing(place: Place, login: Login) -> None:
    """But asks what becomes of a stream that is shared with them, and of trials of others."""
    may = {**FOR_EVERYBODY, "stream-verdicts": _JUDGED, "features": set()}
    for call, told in asked(login(person("viewer", Role.VIEWER)), place, "post put delete"):
        assert told.written <= (OF_ONE_PERSON | may.get(_family(call), set())), call


def _family(call: str) -> str:
    return call.partition(" ")[2].removeprefix("api-")


def test_those_who_may_do_write(place: Place, login: Login) -> None:
    """That these calls could have written something: many of them do for whoever may."""
    root = login(person("root", is_superuser=True))
    found = asked(root, place, "post put delete", "/api/v1/")
    assert len([call for call, told in found if told.written - OF_ONE_PERSON]) > MOST
