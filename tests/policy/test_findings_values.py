"""What two releases' machine types set is compared: as far as it is known, as far as it matters."""

from __future__ import annotations

from finding_world import (
    NEWEST,
    OLDER,
    catalogue,
    decided,
    found,
    lacking,
    release,
    taken,
    told_release,
)

from machines.emulator.catalogue import PropertyInfo
from policy.document import Mitigation
from policy.findings import Finding, settling

VECTORS = ("nic.vectors=0",)
BOTH = (("down 1.1", "down 1.2"), ("down 1.2", "down 1.1"))


def one(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, [item.text for item in findings]
    return findings[0]


def test_releases_that_set_the_same_differ_in_nothing() -> None:
    assert found(release("1.2", older=VECTORS), release("1.1", older=VECTORS)) == []


def test_an_entry_that_an_older_release_has_is_missing() -> None:
    item = one(found(release("1.2"), release("1.1", older=VECTORS), code="missing-entry"))
    assert item.severity == "error"
    assert str(item.place) == f"nic.vectors, {OLDER}"
    assert item.devices == ("nic",)
    assert "MSI-X" in item.text


def test_a_property_that_no_migration_depends_on_is_a_note() -> None:
    item = one(found(release("1.2"), release("1.1", older=("nic.speed=1",)), code="missing-entry"))
    assert item.severity == "note"


def test_but_it_breaks_the_promise_of_the_machine_type() -> None:
    item = one(found(release("1.2"), release("1.1", older=("nic.speed=1",)), code="abi-changed"))
    assert item.severity == "error"
    assert "nic.speed: 1 → 5" in item.text


def test_a_new_property_is_missing_where_others_show_that_old_machine_types_need_it() -> None:
    before = release("1.1", told=catalogue(properties=lacking("vectors")))
    own = release("1.2", newest=("nic.speed=5",))
    told = told_release("up 2.0", older=VECTORS)
    item = one(found(own, before, told, code="missing-entry"))
    assert item.machine_types == (NEWEST, OLDER)
    assert item.proposals[0].entries[0].value == "0"


def test_a_new_property_that_sends_what_the_other_cannot_read_says_so_itself() -> None:
    plain = catalogue(properties=lacking("migrate-tick"), descriptions={})
    before = release("1.1", told=plain, migrations=BOTH)
    assert found(release("1.2"), before, code="unset-new-property") == []
    fields = catalogue().descriptions["nic"].fields[:1]
    described = {"nic": type(catalogue().descriptions["nic"])("nic", 1, 1, fields)}
    before = release(
        "1.1", told=catalogue(properties=lacking("migrate-tick"), descriptions=described)
    )
    item = one(found(release("1.2", migrations=BOTH), before, code="unset-new-property"))
    assert item.severity == "error"
    assert found(release("1.2", newest=("nic.migrate-tick=off",), migrations=BOTH), before) == []


def test_a_fix_over_what_has_shipped_needs_a_mitigation() -> None:
    own = release("1.2", older=VECTORS, migrations=(("down 1.1", "down 1.2"),))
    item = one(found(own, release("1.1"), code="breaks-shipped"))
    assert [str(pair) for pair in item.pairs] == ["down 1.1 → down 1.2"]
    assert "2 for guests that were started on down 1.1" in item.text
    assert own.policy is not None
    carried = settling.applied(own.policy, item.proposals[0])
    assert carried.mitigations[0].entries == item.proposals[0].entries
    again = found(decided(carried, catalogue()), release("1.1"))
    assert {item.severity for item in again} == {"note"}


def test_a_mitigation_does_not_help_the_way_back() -> None:
    held = Mitigation(
        "down 1.1", OLDER, release("1.2", older=("nic.vectors=2",)).policy.machine_types[1].entries
    )  # type: ignore[union-attr]
    own = release("1.2", older=VECTORS, migrations=BOTH, mitigations=(held,))
    item = one(found(own, release("1.1"), code="breaks-shipped"))
    assert [str(pair) for pair in item.pairs] == ["down 1.2 → down 1.1"]


def test_what_is_published_of_the_release_itself_counts_as_shipped() -> None:
    own = release("1.2", older=VECTORS)
    item = one(found(own, shipped=release("1.2"), code="breaks-shipped"))
    assert [str(pair) for pair in item.pairs] == ["down 1.2 → down 1.2"]


def test_a_lost_entry_of_its_own_sources_is_missing_an_added_one_is_not() -> None:
    imported = told_release("down 1.2", newest=(), older=VECTORS)
    assert one(found(release("1.2"), shipped=imported, code="missing-entry")).severity == "error"
    added = release("1.2", newest=("nic.speed=7",), older=VECTORS)
    assert found(added, shipped=imported) == []


def test_a_default_that_changed_alone_is_a_warning() -> None:
    other = {"nic": dict(catalogue().properties["nic"])}
    other["nic"]["vectors"] = PropertyInfo("vectors", "uint32", 3)
    item = one(found(release("1.2"), release("1.1", told=catalogue(properties=other))))
    assert (item.code, item.severity) == ("other-default", "warning")


def test_the_default_of_a_stand_in_is_a_guess() -> None:
    before = release("1.1", stand_in_for="up 0.9")
    item = one(found(release("1.2", older=VECTORS), before, code="breaks-shipped"))
    assert item.severity == "warning"
    assert "up 1.0, which stands in for up 0.9" in item.text


def test_a_declared_refusal_expects_the_difference() -> None:
    own = release("1.2", older=VECTORS, migrations=(("down 1.1", "down 1.2"),))
    before = release("1.1")
    assert own.policy is not None
    for proposal in one(found(own, before, code="breaks-shipped")).proposals:
        if proposal.action == "declare-refused":
            refused = decided(settling.applied(own.policy, proposal), catalogue())
            assert one(found(refused, before, code="breaks-shipped")).severity == "note"


def test_a_finding_keeps_its_identity_and_changes_its_digest() -> None:
    before = release("1.1", older=VECTORS)
    first = one(found(release("1.2"), before, code="missing-entry"))
    second = one(
        found(release("1.2"), release("1.1", older=("nic.vectors=1",)), code="missing-entry")
    )
    assert first.identity == second.identity
    assert first.digest != second.digest
    assert one(found(release("1.2"), before, code="missing-entry")) == first


def test_a_backport_changes_older_machine_types_unless_its_gate_is_off_there() -> None:
    """Nobody is refused on the way here, but the machine is no longer what it was."""
    way = (("down 1.1", "down 1.2"),)
    own = release("1.2", migrations=way, backports=(taken("zz"),))
    item = one(found(own, release("1.1"), code="unset-new-property"))
    assert (item.severity, item.machine_types) == ("warning", (NEWEST, OLDER))
    back = release("1.2", migrations=BOTH, backports=(taken("zz"),))
    assert one(found(back, release("1.1"), code="unset-new-property")).severity == "error"
    off = release("1.2", newest=("nic.x-zz=off",), migrations=BOTH, backports=(taken("zz"),))
    assert found(off, release("1.1")) == []
