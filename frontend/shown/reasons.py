"""Why trials end as they do, in words: each outcome, and each kind of refusal.

What is said beside a refusal and what the page of the rules says of it is the same text. The rules
themselves are :mod:`policy.rules` and :mod:`machines.emulator`; docs/policy-rules.md has them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what holds (``says``), what it follows from (``since``), what one does (``help``).

    ``message`` is what QEMU prints, where it does. ``name`` is also the anchor on the rules' page.
    """

    name: str
    says: Text
    since: Text
    help: Text
    message: str = ""


def _by_name(*rules: Rule) -> Mapping[str, Rule]:
    return {rule.name: rule for rule in rules}


OUTCOMES = _by_name(
    Rule(
        "correct",
        _("Accepted, and the guest’s program went on as if nothing had happened."),
        _("Every guest-visible field arrived as it was sent."),
        _("Nothing: it passes where correct is promised."),
    ),
    Rule(
        "degraded",
        _("Accepted; what was lost is exactly what the policy allows."),
        _("A relaxed bit, or force, allows that the version which was sent lacks these fields."),
        _("It passes where degraded is promised. Clear the relaxed bit to have it refused."),
    ),
    Rule(
        "corrupt",
        _("Accepted, but guest-visible state differs and no policy allows it."),
        _("The destination read other fields than were sent, or lost some that nothing relaxes."),
        _(
            "It passes under no promise. Tighten the version, switch the feature off on the "
            "machine type, or relax the bit where the loss may be accepted."
        ),
    ),
    Rule(
        "refused",
        _("The destination, or the source before it sent anything, said no."),
        _("One of the refusals below."),
        _(
            "It passes where refused is promised. Search for mitigations, or change the machine "
            "type."
        ),
    ),
)

REFUSALS = _by_name(
    Rule(
        "unknown-section",
        _("The destination has no such device, instance or subsection."),
        _("A section is found by its name and instance, a subsection by its name alone."),
        _("Switch off, on the older machine type, the property that has the subsection sent."),
        "Unknown savevm section or instance 'X' N",
    ),
    Rule(
        "version-too-new",
        _("The section is newer than what the destination reads."),
        _("A description reads versions from its minimum up to its own."),
        _("Backport the feature, or have the source write a lower version."),
        "savevm: unsupported version 2 for 'X' v1",
    ),
    Rule(
        "version-too-old",
        _("The section is older than what the destination reads."),
        _("A description reads versions from its minimum up to its own."),
        _("Have the source write a newer version: relax its bit, if it is blacklisted."),
        "X: incoming version_id 1 is too old for local minimum version_id 2",
    ),
    Rule(
        "layout",
        _("The two sides disagree about the fields of this section."),
        _("A field that one side alone has moves all that follow it, until the footer is missed."),
        _("Set the property behind the conditional field alike on both sides."),
        "Missing section footer for X",
    ),
    Rule(
        "ramblock",
        _("Guest memory is named or sized otherwise."),
        _("RAM blocks are found by name, and have to be of the same length."),
        _("Set the property that names or sizes the block alike on both sides."),
        'Unknown ramblock "X", cannot accept migration',
    ),
    Rule(
        "pci-config",
        _("Read-only bytes of PCI configuration space differ: the hardware is another."),
        _("Bits that the guest may not write have to be those of the destination’s own device."),
        _("Set the property that decides the register or the capability alike on both sides."),
        "get_pci_config_device: Bad config data: i=0x… read: … device: …",
    ),
    Rule(
        "virtio",
        _("Features or queues do not fit the destination’s virtio device."),
        _("What a guest has negotiated has to be offered, and no queue may be larger."),
        _("Offer the feature, or make the queues as large, on the destination’s machine type."),
        "Features 0x… unsupported. Allowed features: 0x…",
    ),
    Rule(
        "equal",
        _("A field has to have the destination’s own value, and has not."),
        _("Such a field only shows how the device was made."),
        _("Set the property that the field shows alike on both sides."),
        "Failed to load X:FIELD",
    ),
    Rule(
        "machine-type",
        _("The machine types are not the same."),
        _("The stream begins with the name of its machine type."),
        _("Start the destination with the source’s machine type."),
        "Machine type received is 'X' and local is 'Y'",
    ),
    Rule(
        "unmigratable",
        _("The device cannot be migrated."),
        _("A device without a state that can travel bars the whole machine."),
        _("Take the device out of the machine, or out of the trial’s devices."),
        "State blocked by non-migratable device 'X'",
    ),
    Rule(
        "blacklisted",
        _("A blacklist bitmap forbids this version."),
        _(
            "By default a version is forbidden where an enabled feature keeps state that it cannot "
            "carry; a policy may relax or tighten that."
        ),
        _("Relax the bit, with a justification, or switch the feature off on the machine type."),
    ),
    Rule(
        "unknown-device",
        _("One of the releases lacks the device."),
        _("A trial has the devices that its policy chose."),
        _("Choose devices that both releases have."),
    ),
    Rule(
        "version-out-of-range",
        _("The source was told a version that it cannot write."),
        _("A description writes versions from its minimum up to its own."),
        _("Ask for a version within that range."),
    ),
)
