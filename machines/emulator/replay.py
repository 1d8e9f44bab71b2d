"""Would the release described by a catalogue load this stream?

The answer comes from the mechanisms by which QEMU itself refuses (migration/savevm.c,
migration/vmstate.c, migration/ram.c, hw/pci/pci.c, hw/virtio/virtio.c), taken in the order in which
a destination meets them: machine type, RAM blocks, then each section's presence, version, fields
and subsections. What the destination's own devices look like is known from a *profile*: a stream
that it saved itself in the same configuration. Without one, only what the catalogue tells is
judged.

    >>> from machines.emulator.catalogue import Catalogue
    >>> release = Release.of(Catalogue("1.0"))
    >>> stream = Snapshot("pc-1.0", (), ())
    >>> trial(stream, release, Snapshot("pc-1.1", (), ())).kind
    'machine-type'
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from machines.emulator import refusals
from machines.emulator.catalogue import Description
from machines.emulator.compare import Finding
from machines.emulator.events import SectionType
from machines.emulator.qdev import has_property
from machines.emulator.reading import Reading
from machines.emulator.release import Release
from machines.emulator.sent import compare_sent
from machines.emulator.snapshot import SentSection, Snapshot
from machines.emulator.suggest import Destination
from machines.emulator.verdict import ACCEPTED, Refusal, Verdict
from machines.emulator.virtio import LEAST_QUEUE_SIZES

#: RAM blocks made by ``rom_add_blob`` may be resized by a stream (hw/core/loader.c).
RESIZABLE_PREFIX = "/rom@"
#: After the device's name, the name of its option ROM's block (hw/pci/pci.c).
ROM_SUFFIX = ".rom"

NO_PROFILE = (
    "no profile: the destination has the same devices with the same properties; RAM blocks, "
    "configuration space, compared fields and virtqueues were judged only where a property that "
    "machine types set decides them"
)
#: Commands that came with a property of the migration itself, by their numbers (savevm.c).
COMMAND_SWITCHES = {0x0B: ("migration", "send-switchover-start")}


def trial(
    stream: Snapshot,
    into: Release,
    profile: Snapshot | None = None,
    globals: Sequence[tuple[str, str, str]] = (),
) -> Verdict:
    """Would ``into`` load ``stream``? ``globals`` are (driver, property, value) set there."""
    destination = Destination(into, stream.machine, tuple(globals))
    assumptions = tuple(_assumptions(stream, into, profile, destination))
    for refusal, suggestion in _judged(stream, into, profile, destination):
        return Verdict(
            "refused",
            refusal.section,
            refusal.field,
            refusal.kind,
            refusal.reason,
            suggestion,
            assumptions,
        )
    return replace(ACCEPTED, assumptions=assumptions)


def _judged(
    stream: Snapshot, into: Release, profile: Snapshot | None, destination: Destination
) -> Iterator[tuple[Refusal, str | None]]:
    """Each refusal that the user's properties do not explain away, and the one behind it."""
    mended = set()
    for refusal in _refusals(stream, into, profile, destination):
        if not destination.explains(refusal):
            yield refusal, destination.suggestion(refusal)
        mended.add(refusal.section)  # the property makes the device like the source's
    yield from destination.contradictions(stream, frozenset(mended))
    if profile is None:
        yield from destination.expectations(stream)


def _assumptions(
    stream: Snapshot, into: Release, profile: Snapshot | None, destination: Destination
) -> Iterator[str]:
    """What was not looked at, in words."""
    if profile is None:
        yield NO_PROFILE
    for section in stream.sections:
        if section.device is None:
            yield f"nothing describes section '{section.idstr}': it is read as it was sent"
        elif profile is None and section.name not in into.descriptions:
            yield f"the release describes no section '{section.name}': it has one"
    judged = () if profile is None else LEAST_QUEUE_SIZES
    for name in destination.unjudged(stream):
        if name.rpartition(".")[2] not in judged:
            yield f"nothing is known of what {name} changes in a stream: it was not judged"


def _refusals(
    stream: Snapshot, into: Release, profile: Snapshot | None, destination: Destination
) -> Iterator[Refusal]:
    yield from _blocked(stream, into, profile)
    yield from _machine(stream, into, profile)
    if profile is not None:
        yield from _ram_blocks(stream, profile)
    yield from _commands(stream, into, profile)
    silent = _silent(stream, into, profile, destination)
    for section in stream.sections:
        if _key(section) not in silent:
            yield from _section(section, into, profile, destination)


def _silent(
    stream: Snapshot, into: Release, profile: Snapshot | None, destination: Destination
) -> frozenset[tuple[str, int]]:
    """Sections that the destination has although its profile lacks them.

    A description's ``needed`` keeps a section from being sent, not from being read: because a
    property says so, or always, once nothing is left in it. Where anything else is missing too,
    the device may be, so that nothing is silent.
    """
    if profile is None:
        return frozenset()
    missing = [section for section in stream.sections if _key(section) not in profile.by_key]
    if all(_is_read_in_silence(section, into, destination) for section in missing):
        return frozenset(map(_key, missing))
    return frozenset()


def _is_read_in_silence(section: SentSection, into: Release, destination: Destination) -> bool:
    if section.name in into.descriptions:
        return destination.withholds(section.name)
    return not section.payload


def _key(section: SentSection) -> tuple[str, int]:
    return section.idstr, section.instance_id


def _blocked(stream: Snapshot, into: Release, profile: Snapshot | None) -> Iterator[Refusal]:
    """A device that cannot be migrated bars loading from the start (``qemu_loadvm_state``)."""
    for section in stream.sections:
        named = into.descriptions.get(section.name, ()) if section.name else ()
        saved = profile is not None and _key(section) in profile.by_key
        if named and not saved and all(description.unmigratable for description in named):
            yield Refusal(
                section.idstr,
                None,
                "unmigratable",
                refusals.unmigratable(section.idstr),
                section.name,
            )


def _machine(stream: Snapshot, into: Release, profile: Snapshot | None) -> Iterator[Refusal]:
    """``vmstate_load`` of the configuration section, which old machine types do not have."""
    received = stream.machine
    local = profile.machine if profile is not None else received
    reason = ""
    if received is None:
        reason = refusals.no_configuration() if local is not None else ""
    elif local is None:
        reason = refusals.unknown_section_type(SectionType.CONFIGURATION)
    elif received != local:
        reason = refusals.other_machine_type(received, local)
    elif profile is None and into.machine_types and received not in into.machine_types:
        reason = f"unsupported machine type '{received}'"
    if reason:
        yield Refusal("configuration", "name", "machine-type", reason)


def _ram_blocks(stream: Snapshot, profile: Snapshot) -> Iterator[Refusal]:
    """``parse_ramblock`` in migration/ram.c."""
    lengths = {block.name: block.length for block in profile.blocks}
    for block in stream.blocks:
        length = lengths.get(block.name)
        if length is None:
            reason = refusals.unknown_ram_block(block.name)
        elif length != block.length and not block.name.startswith(RESIZABLE_PREFIX):
            reason = refusals.resized_ram_block(block.name, block.length, length)
        else:
            continue
        owner = _owner(block.name, stream, profile)
        yield Refusal("ram", block.name, "ramblock", reason, owner, resized=length is not None)


def _commands(stream: Snapshot, into: Release, profile: Snapshot | None) -> Iterator[Refusal]:
    """``loadvm_process_command``: a command that came later than the destination is unknown."""
    known = profile.commands if profile is not None else frozenset()
    for number in stream.commands - known:
        driver, name = COMMAND_SWITCHES.get(number, ("", ""))
        if driver and not has_property(into.catalogue_of([driver]), driver, name):
            command = f"MIG_CMD 0x{number:x}"
            yield Refusal(command, None, "unknown-section", f"{command} unknown (len 0x0)")


def _owner(block: str, stream: Snapshot, profile: Snapshot) -> str:
    """The description's name of the device that a RAM block belongs to, as its path tells.

    A block without a path may be one that the other side names with it; a ROM's is called after
    the device.
    """
    names = [block, *(other.name for other in profile.blocks if other.name.endswith(f"/{block}"))]
    for name in names:
        path = name.rpartition("/")[0]
        for section in stream.sections:
            if path and section.idstr.startswith(f"{path}/"):
                return section.name
    return block.rpartition("/")[2].removesuffix(ROM_SUFFIX) if block.endswith(ROM_SUFFIX) else ""


def _section(
    section: SentSection, into: Release, profile: Snapshot | None, destination: Destination
) -> Iterator[Refusal]:
    named = into.descriptions.get(section.name, ()) if section.name else ()
    own = profile.by_key.get(_key(section)) if profile else None
    if own is None and profile is not None:
        yield Refusal(
            section.idstr,
            None,
            "unknown-section",
            refusals.unknown_section(section.idstr, section.instance_id),
            section.name,
        )
        return
    description = _describing(named, own)
    yield from _versions(section, own, description, named)
    if destination.may_blacklist:
        yield from destination.blacklisted(section)
    if own is None:
        yield from _by_description(section, named)
    elif section.device is None or own.device is None:
        return  # nothing tells what is in it
    elif section.payload != own.payload or section.device is not own.device:
        yield from Reading(section, own, description, destination).refusals()


def _describing(named: Sequence[Description], own: SentSection | None) -> Description | None:
    """Of several descriptions with one name, the one of the version that the device saves."""
    if own is not None:
        for description in named:
            if description.version_id == own.version_id:
                return description
    return named[0] if named else None


def _versions(
    section: SentSection,
    own: SentSection | None,
    description: Description | None,
    named: Sequence[Description],
) -> Iterator[Refusal]:
    """``qemu_loadvm_section_start_full``, then ``vmstate_load_state``."""
    version = section.version_id
    if own is not None:
        newest = own.version_id
        oldest = description.minimum_version_id if description is not None else 0
    elif named:
        newest = max(item.version_id for item in named)
        oldest = min(item.minimum_version_id for item in named)
    else:
        return
    if version > newest:
        yield Refusal(
            section.idstr,
            None,
            "version-too-new",
            refusals.section_too_new(version, section.idstr, newest),
            section.name,
        )
    elif version < oldest:
        yield Refusal(
            section.idstr,
            None,
            "version-too-old",
            refusals.version_too_old(section.name, version, oldest),
            section.name,
        )


def _by_description(section: SentSection, named: Sequence[Description]) -> Iterator[Refusal]:
    """Without a profile: the fields that the destination reads whatever its configuration.

    Of several descriptions with the section's name, one that reads it is enough.
    """
    if section.device is None:
        return
    first: Finding | None = None
    for description in named:
        finding = next(compare_sent(section.device, section.version_id, description), None)
        if finding is None:
            return
        first = first or finding
    if first is not None:
        yield Refusal(section.idstr, first.field, "layout", first.message, section.name)
