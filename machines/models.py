"""What QEMU releases are: trees, their releases, and the imported catalogue of each.

A :class:`Snapshot` is immutable: other content for the same release makes a new one. Its
``content`` is the truth (see :mod:`machines.emulator.catalogue`), the rows below it are the index
that pages search and filter. A :class:`Stream` is a migration that a release saved, taken apart;
only :mod:`machines.kept_streams` writes it.
"""

from __future__ import annotations

import re
from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

_NAME = RegexValidator(r"^[a-z0-9][a-z0-9.+-]*$", _("Lower-case letters, digits, '.', '+', '-'."))


class Tree(models.Model):
    """A line of QEMU: ``upstream``, ``rhel``, ``debian``."""

    name = models.CharField(_("name"), max_length=40, unique=True, validators=[_NAME])
    title = models.CharField(_("title"), max_length=100, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("tree")

    def __str__(self) -> str:
        return self.name


class Release(models.Model):
    """One shipped build of a tree, such as upstream 10.0 or RHEL 9.2 (base: upstream 7.2)."""

    tree = models.ForeignKey(Tree, models.PROTECT, related_name="releases")
    version = models.CharField(_("version"), max_length=40, validators=[_NAME])
    base = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="downstreams",
        verbose_name=_("base release"),
    )
    stand_in = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("stand-in"),
        help_text=_("Whose catalogue serves while the base release's own is not imported."),
    )
    #: Zero-padded numbers of the version, so that 9.10 sorts after 9.9 in any database.
    sort_key = models.CharField(max_length=80, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["tree__name", "sort_key"]
        verbose_name = _("release")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree", "version"], name="release_once_per_tree")
        ]

    def __str__(self) -> str:
        return f"{self.tree} {self.version}"

    def save(self, *args: object, **kwargs: object) -> None:
        self.sort_key = re.sub(r"\d+", lambda digits: digits[0].zfill(6), self.version)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def label(self) -> str:
        """``rhel 9.2``: how documents and pages name the release."""
        return f"{self.tree.name} {self.version}"

    @property
    def current_snapshot(self) -> Snapshot | None:
        return self.snapshots.filter(is_current=True).first()


class Snapshot(models.Model):
    """One imported state of a release's catalogue. Never changes once written."""

    release = models.ForeignKey(Release, models.PROTECT, related_name="snapshots")
    number = models.PositiveIntegerField(_("number"))
    digest = models.CharField(_("SHA-256"), max_length=64)
    #: zlib-compressed canonical JSON of the catalogue (machines.emulator.catalogue.stored.dump).
    content = models.BinaryField()
    qemu_version = models.CharField(_("QEMU version"), max_length=40, blank=True)
    package = models.CharField(_("package"), max_length=255, blank=True)
    source = models.CharField(_("source"), max_length=255, blank=True)
    #: {"counts": {…}, "unreadable": {driver: error}, "doubts": [sentence],
    #: "changes": {kind: {added, removed, changed}}}
    report = models.JSONField(default=dict)
    is_current = models.BooleanField(default=True)
    imported_at = models.DateTimeField(auto_now_add=True)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["release", "-number"]
        verbose_name = _("snapshot")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "number"], name="snapshot_number_once"),
            models.UniqueConstraint(fields=["release", "digest"], name="snapshot_content_once"),
            models.UniqueConstraint(
                fields=["release"],
                condition=models.Q(is_current=True),
                name="one_current_snapshot_per_release",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.release} snapshot {self.number}"


class DeviceType(models.Model):
    """A qdev/QOM type of a snapshot. ``parent`` is its parent's name."""

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="device_types")
    name = models.CharField(_("name"), max_length=255)
    parent = models.CharField(_("parent"), max_length=255, blank=True)
    #: Why QEMU did not list its properties; empty where it did.
    unreadable = models.CharField(max_length=1000, blank=True)
    property_count = models.PositiveIntegerField(default=0)
    section_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("device type")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["snapshot", "name"], name="device_type_once")
        ]

    def __str__(self) -> str:
        return self.name


class Property(models.Model):
    """A qdev property, at the type that declares it; descendants inherit it."""

    device_type = models.ForeignKey(DeviceType, models.CASCADE, related_name="properties")
    name = models.CharField(_("name"), max_length=255)
    type = models.CharField(_("type"), max_length=255)
    default = models.JSONField(_("default"), null=True)
    description = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("property")
        verbose_name_plural = _("properties")

    def __str__(self) -> str:
        return self.name


class Section(models.Model):
    """A device's section or subsection; nested structures stay inside ``fields``.

    ``path`` is unique within the device: ``serial`` or ``serial/serial/fifo_timeout_timer``.
    """

    device_type = models.ForeignKey(DeviceType, models.CASCADE, related_name="sections")
    path = models.CharField(max_length=500)
    name = models.CharField(_("name"), max_length=255)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="subsections")
    version_id = models.PositiveIntegerField()
    minimum_version_id = models.PositiveIntegerField()
    field_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["path"]
        verbose_name = _("section")

    def __str__(self) -> str:
        return self.name


class MachineType(models.Model):
    """A named, versioned board of a snapshot."""

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="machine_types")
    name = models.CharField(_("name"), max_length=255)
    alias = models.CharField(_("alias"), max_length=255, blank=True)
    deprecated = models.BooleanField(_("deprecated"), default=False)
    is_default = models.BooleanField(_("default"), default=False)
    default_cpu_type = models.CharField(max_length=255, blank=True)
    compat_source = models.CharField(max_length=40, blank=True)
    compat_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("machine type")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["snapshot", "name"], name="machine_type_once")
        ]

    def __str__(self) -> str:
        return self.name


class CompatProperty(models.Model):
    """One entry of a machine type's resolved list; ``position`` is the order of application."""

    machine_type = models.ForeignKey(MachineType, models.CASCADE, related_name="compat_properties")
    position = models.PositiveIntegerField()
    driver = models.CharField(_("driver"), max_length=255)
    property = models.CharField(_("property"), max_length=255)
    value = models.CharField(_("value"), max_length=1000)
    array = models.CharField(_("array"), max_length=255, blank=True)

    class Meta:
        ordering: ClassVar = ["position"]
        verbose_name = _("compat property")
        verbose_name_plural = _("compat properties")

    def __str__(self) -> str:
        return f"{self.driver}.{self.property}={self.value}"


class Stream(models.Model):
    """A migration stream without its guest memory: one that was uploaded, or a trial's, made again.

    It is kept for a while. ``tree`` are the people with whom its owner shares it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting to be read")
        READ = "read", _("read")
        CUT = "cut", _("read in part")
        UNREADABLE = "unreadable", _("unreadable")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="streams"
    )
    tree = models.ForeignKey(
        Tree, models.SET_NULL, null=True, related_name="+", verbose_name=_("shared with")
    )
    #: The key of the trial that it is of; empty for an upload.
    key = models.CharField(max_length=64, blank=True)
    name = models.CharField(_("name"), max_length=255)
    #: Bytes as they were sent, and their SHA-256; ``length`` is in bytes unpacked.
    size = models.PositiveBigIntegerField(_("size"), default=0)
    digest = models.CharField(_("SHA-256"), max_length=64, blank=True)
    length = models.PositiveBigIntegerField(default=0)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    machine_type = models.CharField(_("machine type"), max_length=256, blank=True)
    #: [{name, length, pages: {kind: number}}], and the numbers of the commands that it holds.
    memory = models.JSONField(default=list)
    commands = models.JSONField(default=list)
    #: Why it was not read to its end: {offset, section, problem}.
    problem = models.JSONField(null=True)
    kept_bytes = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(_("uploaded"), auto_now_add=True)
    expires_at = models.DateTimeField(_("kept until"), db_index=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("stream")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["key"], condition=~models.Q(key=""), name="one_stream_per_trial"
            )
        ]

    def __str__(self) -> str:
        # Not its name, which is its owner's business, while audits and jobs are everybody's.
        return f"stream {self.pk}"


class StreamPart(models.Model):
    """A part of a stream: a section, or what frames them. ``offset`` and ``size`` are in bytes."""

    stream = models.ForeignKey(Stream, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=255)
    #: The name of the section's description, as ``-dump-vmstate`` lists it.
    description = models.CharField(max_length=255, blank=True)
    instance_id = models.PositiveBigIntegerField(default=0)
    section_id = models.PositiveBigIntegerField(default=0)
    version_id = models.PositiveBigIntegerField(default=0)
    offset = models.PositiveBigIntegerField()
    size = models.PositiveBigIntegerField()
    #: Of a trial's section: the device type that sent it, why it was refused, what became of it.
    driver = models.CharField(max_length=255, blank=True)
    refused = models.TextField(blank=True)
    lost = models.PositiveIntegerField(default=0)
    #: zlib of the bytes that are kept, and of the JSON that names them (machines.kept_streams).
    content = models.BinaryField()
    detail = models.BinaryField()

    class Meta:
        ordering: ClassVar = ["number"]
        verbose_name = _("part of a stream")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "number"], name="stream_part_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.stream}"
