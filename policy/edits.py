"""What people do to a draft: every function is one edit, whole or not at all.

Each takes the change request, who edits, and the ``lock_version`` that the person was looking at,
and returns the change request as it is then. Raises :class:`Forbidden` without the role,
:class:`Conflict` where someone else was faster, :class:`Invalid` with the field at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from machines.catalogue import NoCatalogue, catalogue_of, effective_catalogue
from machines.emulator import machine, qdev
from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.models import Release
from policy import audit, drafts, proposals, rules, seeding, state
from policy.bitmaps import SectionBitmap
from policy.document import (
    DECLARABLE,
    Backport,
    DocumentError,
    MachineType,
    Migration,
    Mitigation,
    Override,
    Policy,
    feature_from_json,
)
from policy.errors import Invalid
from policy.exporters import formats
from policy.models import ChangeRequest, Feature
from policy.permissions import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_T = TypeVar("_T")
MAX_TITLE = 200
MAX_VALUE = 1000
MAX_WORDS = 10_000

# --- The change request itself --------------------------------------------------------------------


def open_change(release: Release, author: User, title: str, description: str = "") -> ChangeRequest:
    """Open a change request: from the newest revision, or from the catalogue for the first one.

    Its base is the release's catalogue of today. The first policy of a downstream starts with the
    machine types that its own catalogue lists, chained by parent, and with the migration from the
    release before it, where that one is published.
    """
    require(author, "edit", release.tree)
    title, description = _title(title), _words(description, "description")
    try:
        base = state.catalogue_ref(release)
        newest = state.newest_revision(release)
        policy = (
            replace(state.policy_of(newest), base=base)
            if newest is not None
            else _first_policy(release, Policy(release.tree.name, release.version, base))
        )
    except NoCatalogue as error:
        raise Invalid(str(error), field="release") from error
    policy = drafts.checked(policy)
    with transaction.atomic():
        change = ChangeRequest.objects.create(
            release=release,
            title=title,
            description=description,
            author=author,
            content=policy.to_json(),
            digest=policy.digest,
            base_revision=newest,
        )
        audit.record(
            author,
            "open",
            change,
            after={"title": title, "digest": policy.digest, "release": release.label},
        )
    return change


def _first_policy(release: Release, policy: Policy) -> Policy:
    catalogue, _ = effective_catalogue(release)
    names = seeding.names_of_line(catalogue, release.tree.name)
    if not names and (snapshot := release.current_snapshot) is not None:
        names = tuple(catalogue_of(snapshot).machine_types)
    return replace(
        policy,
        machine_types=seeding.chained(catalogue, names),
        migrations=_first_migrations(release),
    )


def _first_migrations(release: Release) -> tuple[Migration, ...]:
    """Forward from the newest older release of the tree that has a published policy."""
    older = (
        Release.objects.filter(tree=release.tree, sort_key__lt=release.sort_key)
        .filter(revisions__isnull=False)
        .order_by("-sort_key")
        .first()
    )
    return (Migration(older.label, release.label, "correct"),) if older is not None else ()


def edit_description(
    change: ChangeRequest, actor: User, expected_version: int, title: str, description: str
) -> ChangeRequest:
    """Change title and description; approvals stay, as the content does."""
    return drafts.describe(
        change, actor, expected_version, _title(title), _words(description, "description")
    )


# --- Machine types and their entries --------------------------------------------------------------


def add_machine_type(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    name: str,
    parent: str = "",
    note: str = "",
) -> ChangeRequest:
    """Add a machine type, which goes on from ``parent``'s list where one is given."""
    name, parent, note = _word(name, "name"), parent.strip(), _words(note, "note")

    def alter(policy: Policy) -> Policy:
        if policy.machine_type(name) is not None:
            raise Invalid(f"There is a machine type '{name}' already.", field="name")
        if parent:
            _machine_type(policy, parent, field="parent")
        return policy.with_machine_type(MachineType(name, parent, (), note))

    return drafts.rewrite(change, actor, expected_version, "add machine type", alter)


def seed_machine_types(
    change: ChangeRequest, actor: User, expected_version: int, names: Sequence[str]
) -> ChangeRequest:
    """Add machine types by name, their entries composed from the release's own C arrays.

    For a release that tells its arrays but not its machine types. Those of one board are chained
    by parent, the newest first.
    """
    wanted = [_word(name, "names") for name in names]
    if not wanted:
        raise Invalid("Name at least one machine type.", field="names")
    try:
        catalogue, _ = effective_catalogue(change.release)
    except NoCatalogue as error:
        raise Invalid(str(error), field="names") from error

    def alter(policy: Policy) -> Policy:
        for name in wanted:
            if policy.machine_type(name) is not None:
                raise Invalid(f"There is a machine type '{name}' already.", field="names")
        seeded = seeding.chained(catalogue, wanted)
        return replace(policy, machine_types=(*policy.machine_types, *seeded))

    return drafts.rewrite(change, actor, expected_version, "seed machine types", alter)


def remove_machine_type(
    change: ChangeRequest, actor: User, expected_version: int, name: str
) -> ChangeRequest:
    """Remove a machine type that nothing else refers to."""

    def alter(policy: Policy) -> Policy:
        _machine_type(policy, name, field="name")
        uses = [
            f"{item.name} goes on from it" for item in policy.machine_types if item.parent == name
        ]
        uses += [
            "a bitmap override names it" for item in policy.overrides if item.machine_type == name
        ]
        uses += ["a migration names it" for item in policy.migrations if item.machine_type == name]
        uses += [
            "a mitigation names it" for item in policy.mitigations if item.machine_type == name
        ]
        if uses:
            why = ", ".join(dict.fromkeys(uses))
            raise Invalid(f"'{name}' is still in use: {why}.", field="name")
        kept = tuple(item for item in policy.machine_types if item.name != name)
        return replace(policy, machine_types=kept)

    return drafts.rewrite(change, actor, expected_version, "remove machine type", alter)


def add_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    driver: str,
    property: str,
    value: str,
    position: int | None = None,
) -> ChangeRequest:
    """Add a compat entry to a machine type's own ones: at ``position`` from 0, or at the end."""
    entry = CompatProperty(_word(driver, "driver"), _word(property, "property"), _value(value))
    _check_value(change, entry)

    def alter(policy: Policy) -> Policy:
        found = _machine_type(policy, machine_type)
        place = len(found.entries) if position is None else position
        if not 0 <= place <= len(found.entries):
            raise Invalid(
                f"Position {place} is outside 0 to {len(found.entries)}.", field="position"
            )
        entries = (*found.entries[:place], entry, *found.entries[place:])
        return policy.with_machine_type(replace(found, entries=entries))

    return drafts.rewrite(change, actor, expected_version, "add entry", alter)


def change_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    position: int,
    value: str,
) -> ChangeRequest:
    """Give an entry another value. It is the downstream's own then, no longer its C array's."""
    value = _value(value)

    def alter(policy: Policy) -> Policy:
        found = _machine_type(policy, machine_type)
        old = _at(found.entries, position)
        new = CompatProperty(old.driver, old.property, value)
        _check_value(change, new)
        if value == old.value:
            return policy
        entries = (*found.entries[:position], new, *found.entries[position + 1 :])
        return policy.with_machine_type(replace(found, entries=entries))

    return drafts.rewrite(change, actor, expected_version, "change entry", alter)


def move_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    position: int,
    to: int,
) -> ChangeRequest:
    """Move an entry within its machine type's own ones; the later one of two wins."""

    def alter(policy: Policy) -> Policy:
        found = _machine_type(policy, machine_type)
        moved = _at(found.entries, position)
        _at(found.entries, to, field="to")
        rest = [*found.entries[:position], *found.entries[position + 1 :]]
        rest.insert(to, moved)
        return policy.with_machine_type(replace(found, entries=tuple(rest)))

    return drafts.rewrite(change, actor, expected_version, "move entry", alter)


def remove_entry(
    change: ChangeRequest, actor: User, expected_version: int, machine_type: str, position: int
) -> ChangeRequest:
    """Remove one of a machine type's own entries."""

    def alter(policy: Policy) -> Policy:
        found = _machine_type(policy, machine_type)
        _at(found.entries, position)
        entries = (*found.entries[:position], *found.entries[position + 1 :])
        return policy.with_machine_type(replace(found, entries=entries))

    return drafts.rewrite(change, actor, expected_version, "remove entry", alter)


# --- Blacklist bitmaps ----------------------------------------------------------------------------


def set_override(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    device: str,
    section: str,
    version: int,
    action: str,
    justification: str,
    machine_type: str = "",
) -> ChangeRequest:
    """Relax or tighten one version of a section (its path), on one machine type or on all.

    Takes the place of an earlier override of the same bit. Refused where the default does not
    differ from what is asked for on any of the machine types.
    """
    if action not in {"relax", "tighten"}:
        raise Invalid("Choose relax or tighten.", field="action")
    justification = _words(justification, "justification")
    if not justification:
        raise Invalid("Say why: a reviewer has to judge it.", field="justification")
    new = Override(device, section, version, action, justification, machine_type)  # type: ignore[arg-type]

    def alter(policy: Policy) -> Policy:
        if machine_type:
            _machine_type(policy, machine_type)
        without = replace(policy, overrides=_without(policy.overrides, new))
        _check_override(without, new)
        return replace(without, overrides=(*without.overrides, new))

    return drafts.rewrite(change, actor, expected_version, f"{action} version", alter)


def clear_override(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    device: str,
    section: str,
    version: int,
    machine_type: str = "",
) -> ChangeRequest:
    """Go back to the computed default for one version of a section."""
    place = Override(device, section, version, "relax", "", machine_type)

    def alter(policy: Policy) -> Policy:
        overrides = _without(policy.overrides, place)
        if overrides == policy.overrides:
            raise Invalid(f"Nothing overrides version {version} of {section}.", field="version")
        return replace(policy, overrides=overrides)

    return drafts.rewrite(change, actor, expected_version, "clear override", alter)


def _without(overrides: Iterable[Override], place: Override) -> tuple[Override, ...]:
    def key(item: Override) -> tuple[str, str, int, str]:
        return item.device, item.section, item.version, item.machine_type

    return tuple(item for item in overrides if key(item) != key(place))


def _check_override(policy: Policy, new: Override) -> None:
    """The bit must exist, and its default must be the other way on some machine type."""
    catalogue = rules.policy_catalogue(_base(policy), policy)
    names = [new.machine_type] if new.machine_type else [m.name for m in policy.machine_types]
    defaults = set()
    for name in names or [""]:
        bitmap = _bitmap_of(policy, catalogue, name, new)
        cell = next((c for c in bitmap.cells if c.version <= new.version <= c.last), None)
        if cell is None:
            optional = ", or 0 for absent" if bitmap.cells and bitmap.cells[0].version == 0 else ""
            raise Invalid(
                f"{new.section} has versions {bitmap.minimum} to {bitmap.current}{optional}.",
                field="version",
            )
        defaults.add(cell.default)
    if new.action == "relax" and True not in defaults:
        raise Invalid(f"Version {new.version} is allowed by default.", field="action")
    if new.action == "tighten" and False not in defaults:
        raise Invalid(f"Version {new.version} is blacklisted by default.", field="action")


def _bitmap_of(
    policy: Policy, catalogue: Catalogue, machine_type: str, new: Override
) -> SectionBitmap:
    bitmaps = rules.device_bitmaps(policy, catalogue, machine_type, new.device)
    if not bitmaps:
        raise Invalid(f"No section of '{new.device}' is known.", field="device")
    found = next((item for item in bitmaps if item.path == new.section), None)
    if found is None:
        known = ", ".join(item.path for item in bitmaps[:10])
        raise Invalid(f"'{new.device}' has no section '{new.section}': {known}.", field="section")
    return found


# --- Backports ------------------------------------------------------------------------------------


def record_feature(
    actor: User,
    release: Release,
    slug: str,
    title: str,
    description: str,
    device: str,
    carriers: list[dict[str, Any]],
    gate: dict[str, str] | None,
) -> Feature:
    """Record a feature in the library. ``release`` introduced it; ``carriers`` and ``gate`` are
    JSON forms of :class:`Carrier` and :class:`Gate`. Any maintainer may."""
    require(actor, "edit", None)
    spec = {
        "slug": slug.strip(),
        "title": _title(title),
        "device": device.strip(),
        "carriers": carriers,
        "gate": gate,
    }
    try:
        read = feature_from_json(spec)
    except DocumentError as error:
        field = error.path.removeprefix("feature.").partition("[")[0].partition(".")[0]
        raise Invalid(str(error), field=field) from error
    try:
        catalogue, _ = effective_catalogue(release)
    except NoCatalogue as error:
        raise Invalid(str(error), field="release") from error
    try:
        proposals.check_feature(read, catalogue, release.label)
    except proposals.FeatureError as error:
        raise Invalid(str(error), field=error.field) from error
    feature = Feature(
        slug=read.slug,
        title=read.title,
        description=_words(description, "description"),
        device=read.device,
        carriers=carriers,
        gate=gate,
        introduced=release,
        created_by=actor,
    )
    return _save_feature(actor, feature)


def _save_feature(actor: User, feature: Feature) -> Feature:
    try:
        feature.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Invalid(" ".join(messages), field=field) from error
    try:
        with transaction.atomic():
            feature.save(force_insert=True)
            audit.record(
                actor,
                "record feature",
                feature,
                after={
                    "device": feature.device,
                    "carriers": feature.carriers,
                    "gate": feature.gate,
                },
            )
    except IntegrityError as error:
        raise Invalid(f"There is a feature '{feature.slug}' already.", field="slug") from error
    return feature


def add_backport(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    feature: Feature,
    commit: str,
    tracker: str,
    justification: str,
) -> ChangeRequest:
    """Take a feature into the release, with the layouts that its introducing release has."""
    justification = _words(justification, "justification")
    if not justification:
        raise Invalid("Say why: a reviewer has to judge it.", field="justification")
    spec = feature_from_json(
        {
            "slug": feature.slug,
            "title": feature.title,
            "device": feature.device,
            "carriers": feature.carriers,
            "gate": feature.gate,
        }
    )
    try:
        catalogue, _ = effective_catalogue(feature.introduced)
    except NoCatalogue as error:
        raise Invalid(str(error), field="feature") from error

    def alter(policy: Policy) -> Policy:
        if any(item.feature.slug == spec.slug for item in policy.backports):
            raise Invalid(f"'{spec.title}' is backported already.", field="feature")
        own = rules.policy_catalogue(_base(policy), policy)
        try:
            grafts = proposals.grafts_for(spec, catalogue, own)
        except proposals.FeatureError as error:
            raise Invalid(str(error), field="feature") from error
        backport = Backport(
            feature=spec,
            introduced=feature.introduced.label,
            commit=_line(commit, "commit"),
            tracker=_line(tracker, "tracker"),
            justification=justification,
            grafts=grafts,
        )
        return replace(policy, backports=(*policy.backports, backport))

    return drafts.rewrite(change, actor, expected_version, "add backport", alter)


def remove_backport(
    change: ChangeRequest, actor: User, expected_version: int, slug: str
) -> ChangeRequest:
    """Take a backport out again."""

    def alter(policy: Policy) -> Policy:
        kept = tuple(item for item in policy.backports if item.feature.slug != slug)
        if len(kept) == len(policy.backports):
            raise Invalid(f"No backport '{slug}' here.", field="feature")
        return replace(policy, backports=kept)

    return drafts.rewrite(change, actor, expected_version, "remove backport", alter)


# --- Migrations and mitigations -------------------------------------------------------------------


def add_migration(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    source: str,
    destination: str,
    expected: str,
    machine_type: str = "",
    note: str = "",
) -> ChangeRequest:
    """Declare a migration by release labels; trials must then show the ``expected`` outcome."""
    if expected not in DECLARABLE:
        raise Invalid(f"Choose one of {', '.join(DECLARABLE)}.", field="expected")
    new = Migration(source, destination, expected, machine_type, _words(note, "note"))

    def alter(policy: Policy) -> Policy:
        if policy.label not in {source, destination}:
            raise Invalid(f"One of the two has to be {policy.label}.", field="source")
        _check_label(source, "source")
        _check_label(destination, "destination")
        if machine_type:
            _machine_type(policy, machine_type)
        for item in policy.migrations:
            if replace(item, expected=expected, note=new.note) == new:
                raise Invalid("This migration is declared already.", field="machine_type")
        return replace(policy, migrations=(*policy.migrations, new))

    return drafts.rewrite(change, actor, expected_version, "add migration", alter)


def remove_migration(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """No longer declare a migration."""

    def alter(policy: Policy) -> Policy:
        _at(policy.migrations, position)
        kept = (*policy.migrations[:position], *policy.migrations[position + 1 :])
        return replace(policy, migrations=kept)

    return drafts.rewrite(change, actor, expected_version, "remove migration", alter)


def add_mitigation(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    started_on: str,
    machine_type: str,
    entries: Sequence[tuple[str, str, str]],
    reason: str,
    until: str = "",
) -> ChangeRequest:
    """Set further (driver, property, value) for guests that were started on another release."""
    listed = tuple(
        CompatProperty(_word(driver, "entries"), _word(name, "entries"), _value(value, "entries"))
        for driver, name, value in entries
    )
    if not listed:
        raise Invalid("A mitigation sets at least one property.", field="entries")
    for entry in listed:
        _check_value(change, entry, field="entries")
    reason = _words(reason, "reason")
    if not reason:
        raise Invalid("Say why: a reviewer has to judge it.", field="reason")
    new = Mitigation(started_on, machine_type, listed, reason, _line(until, "until"))

    def alter(policy: Policy) -> Policy:
        _check_label(started_on, "started_on")
        _machine_type(policy, machine_type)
        return replace(policy, mitigations=(*policy.mitigations, new))

    return drafts.rewrite(change, actor, expected_version, "add mitigation", alter)


def remove_mitigation(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """Take a mitigation out again."""

    def alter(policy: Policy) -> Policy:
        _at(policy.mitigations, position)
        kept = (*policy.mitigations[:position], *policy.mitigations[position + 1 :])
        return replace(policy, mitigations=kept)

    return drafts.rewrite(change, actor, expected_version, "remove mitigation", alter)


def choose_devices(
    change: ChangeRequest, actor: User, expected_version: int, devices: Sequence[str]
) -> ChangeRequest:
    """Say which devices trials exercise, in the board's order; none means all that can migrate."""
    wanted = tuple(dict.fromkeys(_word(name, "devices") for name in devices))

    def alter(policy: Policy) -> Policy:
        catalogue = rules.policy_catalogue(_base(policy), policy)
        for name in wanted:
            if machine.description_of(catalogue, name) is None:
                raise Invalid(f"'{name}' has no state that could migrate.", field="devices")
        return replace(policy, devices=wanted)

    return drafts.rewrite(change, actor, expected_version, "choose devices", alter)


# --- Checks ---------------------------------------------------------------------------------------


def _base(policy: Policy) -> Catalogue:
    try:
        return state.base_catalogue(policy.base)[0]
    except NoCatalogue as error:
        raise Invalid(str(error)) from error


def _machine_type(policy: Policy, name: str, field: str = "machine_type") -> MachineType:
    found = policy.machine_type(name)
    if found is None:
        raise Invalid(f"{policy.label} has no machine type '{name}'.", field=field)
    return found


def _at(items: Sequence[_T], position: int, field: str = "position") -> _T:
    if not 0 <= position < len(items):
        raise Invalid(f"There is nothing at position {position}.", field=field)
    return items[position]


def _check_label(label: str, field: str) -> None:
    tree, _, version = label.partition(" ")
    if not Release.objects.filter(tree__name=tree, version=version).exists():
        raise Invalid(f"There is no release '{label}'.", field=field)


def _check_value(change: ChangeRequest, entry: CompatProperty, field: str = "value") -> None:
    """A value must be of its property's type, where the release knows the property, and one that
    every format of a bundle can hold."""
    try:
        catalogue = state.draft(change).catalogue
    except NoCatalogue as error:
        raise Invalid(str(error)) from error
    info = qdev.properties_of(catalogue, entry.driver).get(entry.property)
    problem = qdev.check_value(info, entry.value) if info is not None else None
    if problem is not None:
        raise Invalid(f"{entry.driver}.{entry.property}: {problem}.", field=field)
    if unwritable := formats.problems((entry,)):
        raise Invalid(f"{unwritable[0]}.", field=field)


def _title(text: str) -> str:
    title = _line(text, "title")
    if not title:
        raise Invalid("Give it a title.", field="title")
    if len(title) > MAX_TITLE:
        raise Invalid(f"A title has at most {MAX_TITLE} characters.", field="title")
    return title


def _word(text: str, field: str) -> str:
    word = _line(text, field)
    if not word:
        raise Invalid("This is needed.", field=field)
    if " " in word:
        raise Invalid(f"'{word:.60}' is no valid name.", field=field)
    return word


def _value(text: str, field: str = "value") -> str:
    # An empty value is one: it switches some properties off.
    value = _line(text, field)
    if len(value) > MAX_VALUE:
        raise Invalid(f"A value has at most {MAX_VALUE} characters.", field=field)
    return value


def _line(text: str, field: str) -> str:
    line = _words(text, field)
    if not line.isprintable():
        raise Invalid("This takes a single line of text.", field=field)
    return line


def _words(text: str, field: str) -> str:
    words = text.strip()
    if len(words) > MAX_WORDS:
        raise Invalid(f"This takes at most {MAX_WORDS} characters.", field=field)
    if "\0" in words or any("\ud800" <= character <= "\udfff" for character in words):
        raise Invalid("This holds a character that is none.", field=field)
    return words
