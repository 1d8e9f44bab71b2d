"""Whatever is sent to a change request's forms and to its API is answered, and writes nothing.

Every address gets the same rubbish. No answer is a fault of the program; a form says what is wrong
and keeps what was typed, the API names the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from policy_world import MACHINES, World, person
from signed_in import Login

from frontend.views.change_tabs.lines import anchor_of
from policy.models import AuditEntry, ChangeRequest, Comment, DraftState, Review, Role, Thread
from policy.review import discussion, workflow

LINE = anchor_of("Compat properties", f"foo.speed on {MACHINES[0]}")
#: What people and programs send by mistake or on purpose.
RUBBISH: tuple[str, ...] = (
    "",
    " ",
    "\ud800",
    "x" * 20_000,
    "-1",
    "9" * 40,
    "<b>",
    "½",
    "null",
    "[]",
)
FIELDS = (
    "text", "digest", "reviewer", "lock_version", "title", "description", "release", "revert",
    "source", "destination", "machine_type", "expected", "note", "reason", "expires", "entries",
    "started_on", "devices", "line", "approvals", "number", "direction", "until",
)  # fmt: skip
#: Pages' addresses below a change request.
FORMS = (
    "edit/", "submit/", "approve/", "request-changes/", "comment/", "publish/", "request-review/",
    "withdraw-request/", "threads/", "waivers/", "waivers/0/remove/", "migrations/",
    "migrations/7/remove/", "mitigations/", "mitigations/7/remove/", "import/", "rebase/",
    "devices/", "findings/abc/waive/", "findings/abc/apply/", "backports/none/remove/",
)  # fmt: skip
#: Method and address below ``/api/v1/``; ``#`` is the change request.
CALLS = (
    ("post", "changes/"), ("put", "changes/#/"), ("put", "changes/#/policy/"),
    ("post", "changes/#/rebase/"), ("post", "changes/#/threads/"), ("post", "changes/#/waivers/"),
    ("delete", "changes/#/waivers/0/"), ("post", "changes/#/findings/abc/waive/"),
    ("post", "changes/#/findings/abc/apply/"), ("post", "changes/#/approve/"),
    ("post", "changes/#/request-changes/"), ("post", "changes/#/comment/"),
    ("post", "changes/#/request-review/"), ("put", "trees/down/review-rules/"),
)  # fmt: skip


def all_roles(world: World) -> Any:
    """Somebody who may do everything and has a part in nothing: only the input is refused."""
    return person("everybody", *Role)


def state() -> tuple[Any, ...]:
    """All that could have been written."""
    changes = ChangeRequest.objects.order_by("pk").values_list(
        "digest", "lock_version", "status", "title", "description"
    )
    counted = (AuditEntry, Comment, DraftState, Review, Thread)
    return (list(changes), *(model.objects.count() for model in counted))


def rubbish() -> Iterator[dict[str, str]]:
    yield {}
    for value in RUBBISH:
        yield dict.fromkeys(FIELDS, value)


@pytest.mark.parametrize("address", FORMS)
def test_a_form_answers_and_writes_nothing(world: World, login: Login, address: str) -> None:
    change = world.edit(world.in_review(), world.maintainer, "7")
    client, before = login(all_roles(world)), state()
    for sent in rubbish():
        if address == "comment/" and 0 < len(sent.get("text", "").strip()) <= 10_000:
            continue  # any words are a comment
        answer = client.post(f"/changes/{change.pk}/{address}", _sendable(sent))
        assert answer.status_code in {302, 404, 409, 422}, (sent, answer.status_code)
        assert state() == before, sent
        if answer.status_code == 422:
            assert 'role="alert"' in answer.content.decode() or "form-error" in (
                answer.content.decode()
            )


@pytest.mark.parametrize(("method", "address"), CALLS)
def test_the_api_answers_and_writes_nothing(
    world: World, login: Login, method: str, address: str
) -> None:
    change = world.edit(world.in_review(), world.maintainer, "7")
    client, before = login(all_roles(world)), state()
    target = f"/api/v1/{address.replace('#', str(change.pk))}"
    bodies: list[Any] = [_sendable(sent) for sent in rubbish()]
    bodies += [[], 7, None, "text", {"lock_version": {"a": 1}, "policy": [], "choices": 3}]
    for body in bodies:
        words = body.get("text", "").strip() if isinstance(body, dict) else ""
        if address.endswith(("comment/", "threads/")) and 0 < len(words) <= 10_000:
            continue  # any words are a comment
        answer = getattr(client, method)(target, body, content_type="application/json")
        assert answer.status_code in {400, 404, 409, 412, 422, 428}, (body, answer.status_code)
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"]
        assert state() == before, body


def _sendable(sent: dict[str, str]) -> dict[str, str]:
    """What a browser can encode: half a surrogate pair comes as the sign for what it cannot."""
    return {name: value.encode("utf-8", "replace").decode() for name, value in sent.items()}


def test_what_was_typed_is_kept(world: World, login: Login) -> None:
    change = world.edit(world.in_review(), world.maintainer, "7")
    thread = discussion.ask(change, world.reviewer, "Why?").thread
    workflow.comment(change, world.reviewer, "")
    client = login(world.maintainer)
    typed = "much thought <&>"
    for address, sent in (
        ("edit/", {"lock_version": 1, "title": "", "description": typed}),
        ("request-changes/", {"text": typed, "digest": "0" * 64}),
        ("waivers/", {"lock_version": change.lock_version, "reason": typed, "expires": "soon"}),
        ("migrations/", {"lock_version": change.lock_version, "note": typed}),
        ("mitigations/", {"lock_version": change.lock_version, "reason": typed}),
        ("import/", {"lock_version": change.lock_version, "text": typed}),
        ("threads/", {"line": "gone", "text": typed}),
    ):
        client_ = login(world.reviewer) if address == "request-changes/" else client
        answer = client_.post(f"/changes/{change.pk}/{address}", sent)
        assert answer.status_code in {409, 422}, address
        if address not in {"waivers/", "threads/"}:
            assert "much thought &lt;&amp;&gt;" in answer.content.decode(), address
    long = {"text": "x" * 20_000}
    answer = client.post(f"/changes/{change.pk}/threads/{thread.pk}/reply/", long)
    assert answer.status_code == 422
    assert "x" * 20_000 in answer.content.decode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "no text in UTF-8"),
        (b"schema: 2", "Line 1: policy.schema"),
        (b'{"a": }', "no JSON"),
        (b"a: [", "no YAML"),
        (b"   ", "Choose a file"),
    ],
)
def test_a_policy_file_is_refused_with_its_line(
    world: World, login: Login, content: bytes, says: str
) -> None:
    change, before = world.change(), state
    client = login(world.maintainer)
    told = before()
    sent = {"lock_version": 1, "file": SimpleUploadedFile("policy.yaml", content)}
    answer = client.post(f"/changes/{change.pk}/import/", sent)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert state() == told
