"""The audit trail finds whatever was done to it."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from machines.models import Tree
from policy import audit
from policy.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def entries() -> list[AuditEntry]:
    tree = Tree.objects.create(name="up")
    return [audit.record(None, "touch", tree, after={"n": n, "text": "ü €"}) for n in range(5)]


def test_an_untouched_trail_holds(
    entries: list[AuditEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.verify() == []
    call_command("verify_audit", contains=entries[-1].hash)
    assert "5 entries" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "x"},
        {"action": "x"},
        {"object_id": "9"},
        {"object_label": "x"},
        {"after": {"n": 9}},
        {"before": {}},
        {"at": "2001-01-01T00:00:00Z"},
    ],
)
def test_a_changed_entry_is_found(entries: list[AuditEntry], change: dict[str, object]) -> None:
    AuditEntry.objects.filter(pk=entries[2].pk).update(**change)
    assert [problem.entry for problem in audit.verify()] == [entries[2].pk]
    with pytest.raises(CommandError, match=f"entry {entries[2].pk}"):
        call_command("verify_audit")


def test_a_removed_entry_is_found(entries: list[AuditEntry]) -> None:
    entries[2].delete()
    assert [problem.entry for problem in audit.verify()] == [entries[3].pk]


def test_entries_in_another_order_are_found(entries: list[AuditEntry]) -> None:
    second, third = entries[1], entries[2]
    AuditEntry.objects.filter(pk=second.pk).update(hash="0" * 64)
    AuditEntry.objects.filter(pk=third.pk).update(**contents(second))
    AuditEntry.objects.filter(pk=second.pk).update(**contents(third))
    found = {problem.entry for problem in audit.verify()}
    assert found == {second.pk, third.pk, entries[3].pk}


def contents(entry: AuditEntry) -> dict[str, object]:
    """All that an entry says, as it stood at its own place."""
    names = ("at", "actor", "action", "before", "after", "previous_hash", "hash")
    return {name: getattr(entry, name) for name in names}


def test_an_inserted_entry_is_found(entries: list[AuditEntry]) -> None:
    forged = AuditEntry(pk=entries[4].pk + 9, **contents(entries[1]), object_type="x")
    forged.previous_hash, forged.hash = entries[1].hash, ""
    forged.hash = audit.hash_of(forged)
    forged.save(force_insert=True)
    assert [problem.entry for problem in audit.verify()] == [forged.pk]


def test_a_changed_entry_with_a_new_hash_of_its_own_is_found(entries: list[AuditEntry]) -> None:
    forged = entries[2]
    forged.actor = "somebody"
    forged.hash = audit.hash_of(forged)
    forged.save()
    assert [problem.entry for problem in audit.verify()] == [entries[3].pk]


def test_a_trail_that_was_cut_off_lacks_the_hash_that_was_noted(entries: list[AuditEntry]) -> None:
    noted = entries[-1].hash
    AuditEntry.objects.filter(pk=entries[-1].pk).delete()
    with pytest.raises(CommandError, match="cut off"):
        call_command("verify_audit", contains=noted)
