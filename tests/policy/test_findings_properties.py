"""What holds of findings for any two releases."""

from __future__ import annotations

from finding_world import catalogue, decided, found, release
from hypothesis import given
from hypothesis import strategies as st

from policy.findings import Subject, settling

VALUES = {
    "vectors": ["0", "2", "0x2", "3"],
    "speed": ["4", "5"],
    "migrate-tick": ["on", "off", "no"],
}
ENTRIES = st.sampled_from(
    [
        f"{driver}.{name}={value}"
        for driver in ("nic", "pci-device")
        for name, values in VALUES.items()
        for value in values
    ]
)
LISTS = st.lists(ENTRIES, max_size=3).map(tuple)
WAYS = (("down 1.1", "down 1.2"), ("down 1.2", "down 1.1"))
MIGRATIONS = st.sampled_from([(), WAYS[:1], WAYS])
#: Codes that say how two releases differ.
DIFFERENCES = {"missing-entry", "other-value", "other-default", "breaks-shipped", "abi-changed"}


@given(LISTS, LISTS, MIGRATIONS)
def test_a_release_differs_in_nothing_from_one_that_is_alike(
    newest: tuple[str, ...], older: tuple[str, ...], migrations: tuple[tuple[str, str], ...]
) -> None:
    own = release("1.2", newest, older, migrations=migrations)
    before = release("1.1", newest, older)
    assert not {item.code for item in found(own, before)} & (DIFFERENCES | {"layout-differs"})


@given(LISTS, LISTS, LISTS, MIGRATIONS)
def test_each_proposal_settles_what_it_was_made_for(
    newest: tuple[str, ...],
    older: tuple[str, ...],
    other: tuple[str, ...],
    migrations: tuple[tuple[str, str], ...],
) -> None:
    own = release("1.2", newest, older, migrations=migrations)
    before = release("1.1", (), other)
    assert own.policy is not None
    for item in found(own, before):
        for proposal in item.proposals[:1]:
            settled = decided(settling.applied(own.policy, proposal), catalogue())
            after = {one.identity: one for one in found(settled, before)}
            left = after.get(item.identity)
            # A mitigation carries guests in; the way back it cannot change.
            assert left is None or left.severity == "note" or len(left.pairs) < len(item.pairs)


@given(LISTS, LISTS, LISTS)
def test_findings_do_not_depend_on_the_order_of_the_releases(
    one: tuple[str, ...], two: tuple[str, ...], own: tuple[str, ...]
) -> None:
    others: list[Subject] = [release("1.1", (), one), release("1.0", (), two)]
    subject = release("1.2", (), own)
    there = {(item.identity, item.digest) for item in found(subject, *others)}
    back = {(item.identity, item.digest) for item in found(subject, *others[::-1])}
    assert there == back


@given(LISTS, LISTS)
def test_an_entry_that_changes_no_value_changes_no_finding(
    older: tuple[str, ...], other: tuple[str, ...]
) -> None:
    before = release("1.1", (), other)
    plain, repeated = release("1.2", (), older), release("1.2", (), (*older, *older))

    def told(subject: Subject) -> set[str]:
        return {i.identity for i in found(subject, before) if i.code in DIFFERENCES}

    assert told(plain) == told(repeated)
