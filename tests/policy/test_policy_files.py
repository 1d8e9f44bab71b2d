"""Policy files: whole or not at all, each fault with its line and its path."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from policy_documents import policies
from policy_world import MACHINES, World

from policy import edits
from policy.document import Policy, files
from policy.document.files import MAX_CHARACTERS, FileError, read
from policy.drafts import Settled
from policy.errors import Forbidden, Invalid, MergeNeeded
from policy.models import AuditEntry, ChangeRequest, DraftState


@given(policies())
def test_both_formats_give_the_document_back(policy: Policy) -> None:
    document = policy.to_json()
    assert read(json.dumps(document, indent=1)).document == document
    assert read(json.dumps(document, indent="\t", ensure_ascii=False)).document == document
    assert read(yaml.safe_dump(document, sort_keys=False)).document == document


@pytest.mark.parametrize(
    "text",
    [
        f"? {'k' * 100_000}\n: {[0] * 2_000}",
        f'{{"{"k" * 1_000}": ' * 20 + str([0] * 10_000) + "}" * 20,
    ],
    ids=["yaml", "json"],
)
def test_a_long_key_is_not_kept_once_for_each_value_below(text: str) -> None:
    with pytest.raises(FileError, match="too long"):
        read(text)


def test_what_has_an_exponent_is_no_number_but_a_commit() -> None:
    assert read("commit: 12e4567\nnote: 0E0\n").document == {"commit": "12e4567", "note": "0E0"}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except FileError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "is empty"),
        ('{"a": 1,\n "b": }', 2, "is no JSON"),
        ("a:\n  - 1\n b: 2", 3, "is no YAML"),
        ("a: &x 1\nb: *x", 1, "anchors"),
        ("a: 1\na: 2", 2, "twice"),
        ('{"a": 1,\n"a": 2}', 2, "twice"),
        ("a: !!python/name:os.system x", 1, "tags"),
        ("a: 1\n---\nb: 2", 3, "second document"),
        ("? [a]\n: 1", 1, "a key has to be a word"),
        ("[" * 10_000, 1, "nests deeper"),
        ('{"a":' * 100_000, 0, "nests deeper"),
        ("x" * (MAX_CHARACTERS + 1), 0, "at most"),
    ],
)
def test_a_fault_names_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(FileError, match=problem) as caught:
        read(text)
    assert caught.value.line == line


def test_plain_words_are_texts_as_values_need_them() -> None:
    found = read("off: off\nyes: no\nnumber: 1\ntext: '1'\nnothing: null\ntrue: true\n")
    assert found.document == {
        "off": "off",
        "yes": "no",
        "number": 1,
        "text": "1",
        "nothing": None,
        "true": True,
    }


# --- Into a draft ---------------------------------------------------------------------------------


def file_of(change: ChangeRequest, old: str = "", new: str = "") -> str:
    return json.dumps(change.content, indent=1).replace(old, new, 1)


@pytest.mark.django_db
def test_a_file_takes_the_drafts_place() -> None:
    world = World()
    change = world.change()
    text = file_of(change, '"value": "5"', '"value": "8"')
    change = edits.import_policy(change, world.maintainer, 1, text)
    assert [entry.value for entry in change.policy.resolved(MACHINES[0])] == ["8"]
    assert AuditEntry.objects.latest("id").action == "replace policy"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('"value": "5"', '"value": 5', "policy.machine_types[0].entries[0].value"),
        ('"driver": "foo"', '"driver": "f o"', "policy.machine_types[0].entries[0].driver"),
        (f'"name": "{MACHINES[1]}"', f'"name": "{MACHINES[0]}"', "policy.machine_types[1].name"),
        ('"parent": ""', '"parent": "none"', "policy.machine_types[0].parent"),
        ('"schema": 1', '"schema": 2', "policy.schema"),
        ('"version": "1.2"', '"version": "9.9"', "policy.release"),
        ('"digest": "', '"digest": "0', "policy.base"),
        ('"value": "5"', '"value": "a\\u0000b"', "policy.machine_types[0].entries[0].value"),
        ('"value": "5"', '"value": "a\\ud800"', "policy.machine_types[0].entries[0].value"),
        (
            '"migrations": []',
            '"migrations": [{"source": "down 1.2", "destination": "x 1", "expected": "correct"}]',
            "policy.migrations[0].destination",
        ),
        (
            '"migrations": []',
            '"migrations": [{"source": "up 1.0", "destination": "up 2.0", "expected": "correct"}]',
            "policy.migrations[0]",
        ),
    ],
)
def test_one_bad_entry_changes_nothing_and_is_named(old: str, new: str, path: str) -> None:
    world = World()
    change = world.change()
    text = file_of(change, old, new)
    assert new in text
    before = (change.digest, AuditEntry.objects.count(), DraftState.objects.count())
    with pytest.raises(Invalid) as caught:
        edits.import_policy(change, world.maintainer, 1, text)
    assert caught.value.field == "file"
    assert path in str(caught.value)
    line = files.read(text).line_of(path)
    assert line > 0
    assert f"Line {line}: " in str(caught.value)
    change.refresh_from_db()
    assert before == (change.digest, AuditEntry.objects.count(), DraftState.objects.count())


@pytest.mark.django_db
def test_what_others_edited_meanwhile_is_merged() -> None:
    world = World()
    change = world.change()
    text = file_of(change, '"value": "5"', '"value": "8"')
    edits.change_entry(change, world.other, 1, MACHINES[1], 0, "3")
    change.refresh_from_db()
    change = edits.import_policy(change, world.maintainer, 1, text)
    assert [entry.value for entry in change.policy.resolved(MACHINES[1])] == ["8", "3"]
    merged = AuditEntry.objects.latest("id").after["merged"]
    assert (merged["edit"], merged["seen"], merged["with"]) == ("replace policy", 1, 2)


@pytest.mark.django_db
def test_what_both_changed_is_shown_with_both_sides_and_settled() -> None:
    world = World()
    change = world.change()
    text = file_of(change, '"value": "5"', '"value": "8"')
    world.edit(change, world.other, "7")
    change.refresh_from_db()
    with pytest.raises(MergeNeeded) as caught:
        edits.import_policy(change, world.maintainer, 1, text)
    (conflict,) = caught.value.conflicts
    assert (conflict.base, conflict.mine, conflict.theirs) == ("5", "8", "7")
    settled = Settled(2, {conflict.path: "mine"})
    change = edits.import_policy(change, world.maintainer, 1, text, settled)
    assert [entry.value for entry in change.policy.resolved(MACHINES[0])] == ["8"]


@pytest.mark.django_db
def test_only_a_maintainer_imports() -> None:
    world = World()
    change = world.change()
    with pytest.raises(Forbidden):
        edits.import_policy(change, world.reviewer, 1, file_of(change, '"5"', '"8"'))
