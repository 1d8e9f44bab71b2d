"""The sample story: real releases, one published policy, one change that waits for review.

It is told through the same doors that people use (edits, review, trials, publishing), so that what
a first visitor sees was made as their own work will be. Every step looks first whether it was done
already: loading again changes nothing, and loading after an interruption goes on where it stopped.

The facts come from ``machines/sample`` (see its README); the outcomes that the policies declare
are those that the emulator finds on them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import Catalogue, MachineType
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.catalogue.composition import compose
from machines.models import Release, Tree
from policy import edits, trials
from policy.models import ChangeRequest, Feature, Membership, Revision, Role, Trial
from policy.publishing import bundle
from policy.review import checking, examining, workflow

Report = Callable[[str], None]

SAMPLE = Path(settings.BASE_DIR) / "machines" / "sample"
LOGINS = "sample-logins.txt"

#: Login name → role in each of the trees.
PEOPLE = {
    "maintainer": Role.MAINTAINER,
    "reviewer": Role.REVIEWER,
    "release": Role.RELEASE_MANAGER,
}
TREES = {"upstream": "QEMU upstream", "rhel": "Red Hat Enterprise Linux", "debian": "Debian"}
UPSTREAM = ("5.2", "6.2", "7.2", "8.0", "10.0", "11.1")
#: RHEL release → (its base, the release whose catalogue stands in where that is not imported).
RHEL = {"8.9": ("6.2", "7.2"), "9.2": ("7.2", None), "9.3": ("8.0", "10.0")}
#: Debian release → its base. The upstream catalogues were recorded with Debian's own builds.
DEBIAN = {"12": "7.2"}

_Q35 = ("8.6.0", "8.5.0", "8.4.0", "8.3.0", "8.2.0", "8.1.0", "8.0.0", "7.6.0")
_SHIPPED_8 = (*(f"pc-q35-rhel{version}" for version in _Q35), "pc-i440fx-rhel7.6.0")
_SHIPPED_9 = ("pc-q35-rhel9.2.0", "pc-q35-rhel9.0.0", *_SHIPPED_8)
#: The x86 machine types that each release has, as far as its arrays tell what they set.
SHIPPED = {"8.9": _SHIPPED_8, "9.2": _SHIPPED_9, "9.3": _SHIPPED_9}

#: What the trials exercise: devices of a plain server guest that RHEL's build has.
DEVICES = (
    "mc146818rtc",
    "isa-pit",
    "isa-i8259",
    "ioapic",
    "hpet",
    "i8042",
    "isa-serial",
    "fw_cfg_io",
    "vmgenid",
    "i6300esb",
    "usb-kbd",
    "usb-tablet",
    "scsi-hd",
    "scsi-cd",
    "scsi-block",
    "virtio-balloon-device",
    "virtio-blk-device",
    "virtio-net-device",
    "virtio-rng-device",
    "virtio-scsi-device",
    "virtio-serial-device",
)

AS_SHIPPED = "RHEL 9.2 as shipped"
RESERVATIONS = "Keep SCSI persistent reservations across migration"


def load(report: Report) -> Path:
    """Load what is not loaded yet; ``report`` is told each step. Returns the file of logins."""
    logins = _people(report)
    _releases(report)
    _as_shipped(report)
    _reservations(report)
    return logins


# --- People ---------------------------------------------------------------------------------------


def _people(report: Report) -> Path:
    """Users with generated passwords, kept where only the owner of the files reads them."""
    path = Path(settings.VAR_DIR) / LOGINS
    known = _read_logins(path)
    for name in PEOPLE:
        if not User.objects.filter(username=name).exists():
            known.setdefault(name, secrets.token_urlsafe(12))
            User.objects.create_user(name, password=known[name])
            report(f"Made the login {name}.")
    write_logins(path, known)
    for title, (name, role) in ((t, p) for t in TREES.items() for p in PEOPLE.items()):
        tree, _ = Tree.objects.get_or_create(name=title[0], defaults={"title": title[1]})
        user = User.objects.get(username=name)
        Membership.objects.get_or_create(user=user, tree=tree, role=role)
    return path


def _read_logins(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    pairs = (line.split() for line in path.read_text().splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def write_logins(path: Path, logins: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    width = max((len(name) for name in logins), default=0)
    text = "".join(f"{name:<{width}}  {password}\n" for name, password in logins.items())
    # Nobody else may read it, not even for the moment before a chmod.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _user(name: str) -> User:
    return User.objects.get(username=name)


# --- Releases -------------------------------------------------------------------------------------


def _releases(report: Report) -> None:
    upstream, rhel, debian = (Tree.objects.get(name=name) for name in TREES)
    for version in UPSTREAM:
        release, _ = Release.objects.get_or_create(tree=upstream, version=version)
        folder = SAMPLE / "qemu" / version
        if folder.is_dir() and not release.snapshots.exists():
            _import(release, read_directory(folder), report)
    for version, (base, stand_in) in RHEL.items():
        release, _ = Release.objects.get_or_create(
            tree=rhel,
            version=version,
            defaults={
                "base": Release.objects.get(tree=upstream, version=base),
                "stand_in": Release.objects.filter(tree=upstream, version=stand_in).first(),
            },
        )
        if not release.snapshots.exists():
            _import(release, _rhel_catalogue(version), report)
    for version, base in DEBIAN.items():
        release, _ = Release.objects.get_or_create(
            tree=debian,
            version=version,
            defaults={"base": Release.objects.get(tree=upstream, version=base)},
        )
        if not release.snapshots.exists():
            _import(release, read_directory(SAMPLE / "qemu" / base), report)


def _rhel_catalogue(version: str) -> Catalogue:
    """What a RHEL release tells of itself: its arrays, and the machine types made of them."""
    arrays = read_directory(SAMPLE / "rhel" / version).arrays
    machine_types = {
        name: MachineType(name, compat=compose(name, arrays), compat_source="arrays")
        for name in SHIPPED[version]
    }
    return Catalogue(version=f"{RHEL[version][0]}.0", arrays=arrays, machine_types=machine_types)


def _import(release: Release, catalogue: Catalogue, report: Report) -> None:
    outcome = import_catalogue(
        release, catalogue, source="machines/sample", user=_user("maintainer")
    )
    report(
        f"Imported {release}: {len(catalogue.types)} device types, "
        f"{len(catalogue.machine_types)} machine types ({outcome.snapshot})."
    )


# --- RHEL 9.2, published --------------------------------------------------------------------------


def _as_shipped(report: Report) -> None:
    """Revision 1 of RHEL 9.2: what was shipped, and that guests of 8.9 can come."""
    release = Release.objects.get(tree__name="rhel", version="9.2")
    if release.revisions.exists():
        _bundle(release.revisions.get(number=1), report)
        return
    change = _draft(release, AS_SHIPPED, _AS_SHIPPED_TEXT, _write_as_shipped)
    if change.status == ChangeRequest.Status.DRAFT:
        change = workflow.submit(change, _user("maintainer"))
    _run_trials(change, report)
    if change.status == ChangeRequest.Status.SUBMITTED:
        change = workflow.approve(
            change, _user("reviewer"), change.digest, "Compared with the arrays of the package."
        )
    if change.status == ChangeRequest.Status.APPROVED:
        revision = workflow.publish(change, _user("release"))
        report(f"Published {revision}.")
        _bundle(revision, report)


_AS_SHIPPED_TEXT = """\
The machine types of RHEL 9.2 with the compat arrays of its package, as the point from which later
changes go on. Guests of RHEL 8.9 migrate here on every machine type that both releases have.\
"""


def _write_as_shipped(change: ChangeRequest) -> ChangeRequest:
    edit = _Pen(change)
    edit(edits.choose_devices, DEVICES)
    edit(
        edits.add_migration,
        "rhel 8.9",
        "rhel 9.2",
        "correct",
        note="The way of an upgrade: hosts on 8.9 hand their guests over to hosts on 9.2.",
    )
    shipped = "9.2 has shipped so; what 9.3 makes of it is decided in the policy of 9.3."
    _accept(edit, {"abi-changed": shipped, "breaks-shipped": shipped})
    return edit.change


def _bundle(revision: Revision, report: Report) -> None:
    if not hasattr(revision, "bundle"):
        report(f"Built {bundle.store(revision)}.")


# --- RHEL 9.3, in review --------------------------------------------------------------------------


def _reservations(report: Report) -> None:
    """The change that waits: a backport, where it is on, where it stays off, and what follows."""
    release = Release.objects.get(tree__name="rhel", version="9.3")
    change = _draft(release, RESERVATIONS, _RESERVATIONS_TEXT, _write_reservations)
    if change.status == ChangeRequest.Status.DRAFT:
        change = workflow.submit(change, _user("maintainer"))
        report(f"{change} waits for the reviewer.")
    if change.is_open:
        _run_trials(change, report)


_RESERVATIONS_TEXT = """\
Clusters (Windows failover clusters, Pacemaker with fence_scsi) hold their shared disk by a SCSI
persistent reservation. Through scsi-block the reservation belongs to the host: after a migration
it still stands for the host that the guest left, and the guest loses its disk. Upstream migrates
the reservation's key and type since QEMU 11.0 (scsi-block.migrate-pr); this takes it into 9.3.

- The newest machine type has it. There the stream of 9.2 has no such subsection, so its absence
  is allowed: see the relaxed bit.
- Every older machine type keeps it off, so that guests of 9.2 and 9.3 go both ways as before.
- Back from 9.3 to 9.2 on the newest machine type is refused from now on, and declared so.
- Guests that were started on 9.2 with virtio-rng-pci on a machine type of 9.0 or older have an
  MSI-X capability that 9.3 does not give them (its arrays set vectors=0, those of 9.2 do not):
  two mitigations restore it for the machine types that have extended support.\
"""
_NEWEST = "pc-q35-rhel9.2.0"
#: Below these every older machine type of the board goes on, so one entry holds for all of them.
_OLDER = ("pc-q35-rhel9.0.0", "pc-i440fx-rhel7.6.0")
_EXTENDED_SUPPORT = ("pc-q35-rhel9.0.0", "pc-q35-rhel8.6.0")
_UPSTREAM_SERIES = "https://patchew.org/QEMU/20260129212035.219676-1-stefanha@redhat.com"


def _write_reservations(change: ChangeRequest) -> ChangeRequest:
    edit = _Pen(change)
    edit(edits.choose_devices, DEVICES)
    edit(
        edits.add_backport,
        _reservation_feature(),
        "scsi: save/load SCSI reservation state",
        _UPSTREAM_SERIES,
        "Customers with clusters on shared disks cannot migrate their guests without it.",
    )
    for machine_type in _OLDER:
        edit(edits.add_entry, machine_type, "scsi-block", "migrate-pr", "off")
    edit(
        edits.set_override,
        "scsi-block",
        "scsi-disk/scsi-disk/pr",
        0,
        "relax",
        "A guest that comes from 9.2 has never had its reservation migrated. Taking it without one "
        "leaves it as it was; refusing it would take away a migration that 9.2's guests have.",
        _NEWEST,
    )
    for source, destination, expected, machine_type, note in _MIGRATIONS:
        if not _declares(edit.change, source, destination, machine_type):
            edit(edits.add_migration, source, destination, expected, machine_type, note)
    for machine_type in _EXTENDED_SUPPORT:
        edit(
            edits.add_mitigation,
            "rhel 9.2",
            machine_type,
            [("virtio-rng-pci", "vectors", "2")],
            "9.2's arrays leave virtio-rng-pci its MSI-X vectors here, 9.3's take them away. A "
            "guest that was started on 9.2 keeps the PCI capability until it is powered off.",
            "the guest is powered off",
        )
    _accept(edit, _ACCEPTED)
    return edit.change


#: Findings that the change accepts, and why.
_ACCEPTED = {
    "abi-changed": "What 9.3 ships; the mitigations carry guests of 9.2 over where they are "
    "supported, and the way back on the newest machine type is declared refused.",
    "breaks-shipped": "Guests of 9.2 on machine types with extended support are carried over by a "
    "mitigation; the others are to be powered off before their host is upgraded.",
}


#: (source, destination, declared outcome, machine type or all, why)
_MIGRATIONS = (
    ("rhel 9.2", "rhel 9.3", "correct", "", ""),
    ("rhel 9.3", "rhel 9.2", "correct", "", "A host that is rolled back keeps its guests."),
    (
        "rhel 9.3",
        "rhel 9.2",
        "refused",
        _NEWEST,
        "9.2 does not know the subsection scsi-disk/pr: better refused than a reservation lost.",
    ),
)


def _declares(change: ChangeRequest, source: str, destination: str, machine_type: str) -> bool:
    return any(
        (item.source, item.destination, item.machine_type) == (source, destination, machine_type)
        for item in change.policy.migrations
    )


def _reservation_feature() -> Feature:
    slug = "scsi-persistent-reservations"
    known = Feature.objects.filter(slug=slug).first()
    if known is not None:
        return known
    return edits.record_feature(
        _user("maintainer"),
        Release.objects.get(tree__name="upstream", version="11.1"),
        slug,
        "SCSI persistent reservations move with the guest",
        "The key that the guest registered and the type of its reservation travel in a subsection "
        "of their own. Off in upstream's machine types before 11.0.",
        "scsi-block",
        [{"section": "scsi-disk/scsi-disk/pr", "subsection": True}],
        {"driver": "scsi-block", "property": "migrate-pr", "on": "on"},
    )


# --- Working on a change --------------------------------------------------------------------------


class _Pen:
    """The maintainer's edits of one change, each at the version that the one before left."""

    def __init__(self, change: ChangeRequest) -> None:
        self.change = change
        self._author = _user("maintainer")

    def __call__(self, edit: Callable[..., ChangeRequest], *args: object, **more: object) -> None:
        self.change = edit(self.change, self._author, self.change.lock_version, *args, **more)


def _accept(edit: _Pen, reasons: Mapping[str, str]) -> None:
    """Waive what the rules have against it, for half a year: code of a finding → why."""
    last = checking.today() + timedelta(days=182)
    for item in examining.findings_of(edit.change):
        if item.blocks:
            found = item.finding
            edit(edits.waive_finding, found.identity, "", "", reasons[found.code], last)


def _draft(
    release: Release,
    title: str,
    description: str,
    write: Callable[[ChangeRequest], ChangeRequest],
) -> ChangeRequest:
    """The change of this title, written whole or not at all."""
    known = ChangeRequest.objects.filter(release=release, title=title).order_by("id").first()
    if known is not None:
        return known
    with transaction.atomic():
        return write(edits.open_change(release, _user("maintainer"), title, description))


def _run_trials(change: ChangeRequest, report: Report) -> None:
    """Run what is not run yet, here: at the first start no worker is there."""
    waiting = [
        item.trial
        for item in trials.required(change)
        if item.trial is not None and item.trial.state == Trial.State.QUEUED
    ]
    for trial in waiting:
        trials.run(trial)
    if waiting:
        report(f"Ran {len(waiting)} trial migrations of {change}.")
