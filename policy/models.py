"""What a downstream decides: change requests, their review, and the revisions they become.

The policy itself is a document (:mod:`policy.document`): a change request's ``content`` is its
draft, a revision's ``content`` never changes again. Only :mod:`policy.workflow` changes the status
of a change request, only :mod:`policy.audit` writes audit entries.
"""

from __future__ import annotations

import uuid
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from machines.models import Release, Snapshot, Stream, Tree
from policy.document import Policy, remembered


class Role(models.TextChoices):
    """What a member of a tree may do; each role is held on its own, a person may have several."""

    VIEWER = "viewer", _("viewer")
    MAINTAINER = "maintainer", _("maintainer")
    REVIEWER = "reviewer", _("reviewer")
    RELEASE_MANAGER = "release-manager", _("release manager")
    ADMINISTRATOR = "administrator", _("administrator")


class Membership(models.Model):
    """A person's role in a tree."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    tree = models.ForeignKey(Tree, models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)

    class Meta:
        verbose_name = _("membership")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "tree", "role"], name="role_once_per_tree")
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display()} of {self.tree}"


class Token(models.Model):
    """A person's key for programs: see :mod:`policy.tokens`, which alone writes them.

    It stands beside the roles because it says who may do what: it never allows more than they do.
    """

    class Scope(models.TextChoices):
        READ = "read", _("read what you may see")
        WRITE = "write", _("open and edit change requests, run trials")
        REVIEW = "review", _("vote and comment")
        PUBLISH = "publish", _("publish")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    scopes = models.JSONField(_("scopes"))
    #: SHA-256 of the secret, and its last characters, by which people tell tokens apart.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    ending = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(_("issued"), auto_now_add=True)
    #: The last day (UTC) on which it holds.
    expires = models.DateField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("token")

    def __str__(self) -> str:
        return f"{self.user}'s token {self.name}"

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and self.expires >= timezone.now().date()


class ReviewRules(models.Model):
    """What a tree asks of a review; a tree without a row asks for one approval."""

    MOST_APPROVALS: ClassVar[int] = 3

    tree = models.OneToOneField(Tree, models.CASCADE, related_name="review_rules")
    approvals = models.PositiveSmallIntegerField(
        _("approvals needed"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_APPROVALS)],
    )

    class Meta:
        verbose_name = _("review rules")
        verbose_name_plural = _("review rules")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(approvals__range=(1, 3)), name="one_to_three_approvals"
            )
        ]

    def __str__(self) -> str:
        return f"review rules of {self.tree}"


class TreePromises(models.Model):
    """Which migrations a tree promises (:mod:`policy.promises`, which alone writes them).

    A tree without a row promises what follows from its releases.
    """

    class Majors(models.TextChoices):
        NONE = "none", _("no, in neither direction")
        FORWARD = "forward", _("forward only")
        BOTH = "both", _("in both directions")

    #: The largest number of releases to count, and what stands for every one.
    MOST: ClassVar[int] = 9
    EVERY: ClassVar[int] = 100

    tree = models.OneToOneField(Tree, models.CASCADE, related_name="promises")
    older = models.PositiveSmallIntegerField(_("older releases that guests come from"))
    back = models.PositiveSmallIntegerField(_("older releases that guests go back to"))
    majors = models.CharField(_("across major releases"), max_length=10, choices=Majors.choices)

    class Meta:
        verbose_name = _("promised migrations")
        verbose_name_plural = _("promised migrations")

    def __str__(self) -> str:
        return f"promised migrations of {self.tree}"


class Feature(models.Model):
    """A feature in the library, from which backports are made. ``spec`` is a FeatureSpec's JSON."""

    slug = models.CharField(
        _("identifier"),
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*$", _("Lower-case letters, digits, '-'."))],
    )
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    device = models.CharField(_("device type"), max_length=255)
    carriers = models.JSONField(_("carried by"), default=list, blank=True)
    gate = models.JSONField(_("gated by"), null=True, blank=True)
    introduced = models.ForeignKey(
        Release, models.PROTECT, related_name="features", verbose_name=_("introduced in")
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["device", "slug"]
        verbose_name = _("feature")

    def __str__(self) -> str:
        return self.title


class Revision(models.Model):
    """A published state of a release's policy. Never changes, is never deleted."""

    release = models.ForeignKey(Release, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField(_("number"))
    #: Canonical JSON: {"policy": …, "derived": …}; the text itself, so that its digest holds.
    content = models.TextField()
    digest = models.CharField(_("SHA-256"), max_length=64)
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="revisions")
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    published_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["release", "-number"]
        verbose_name = _("revision")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "number"], name="revision_number_once")
        ]

    def __str__(self) -> str:
        return f"{self.release} r{self.number}"


class ChangeRequest(models.Model):
    """An edit of a release's policy on its way through review."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        SUBMITTED = "submitted", _("in review")
        CHANGES_REQUESTED = "changes-requested", _("changes requested")
        APPROVED = "approved", _("approved")
        PUBLISHED = "published", _("published")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Standing(models.TextChoices):
        PASSED = "passed", _("as promised or waived")
        OPEN = "open", _("not all run")
        BROKEN = "broken", _("in the way")

    release = models.ForeignKey(Release, models.PROTECT, related_name="change_requests")
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="change_requests"
    )
    #: Everyone who edited the content: none of them may approve it, nor may the author.
    editors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", editable=False)
    status = models.CharField(
        _("status"), max_length=20, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    content = models.JSONField()
    #: Digest of ``content``: what an approval names.
    digest = models.CharField(max_length=64, editable=False)
    base_revision = models.ForeignKey(Revision, models.PROTECT, null=True, related_name="+")
    #: Raised by every edit; an edit that names an older one lost the race.
    lock_version = models.PositiveIntegerField(default=1, editable=False)
    revision = models.OneToOneField(
        Revision, models.PROTECT, null=True, related_name="change_request", editable=False
    )
    #: The older revision whose policy this change brings back.
    reverts_to = models.ForeignKey(
        Revision, models.PROTECT, null=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    submitted_at = models.DateTimeField(null=True, editable=False)
    #: Since when it is in its status, and since when its content is what it is.
    status_since = models.DateTimeField(default=timezone.now, editable=False)
    edited_at = models.DateTimeField(default=timezone.now, editable=False)
    #: How trials and findings of the content ``trials_digest`` stood when last looked at.
    trials_standing = models.CharField(
        max_length=10, choices=Standing.choices, blank=True, editable=False
    )
    trials_digest = models.CharField(max_length=64, blank=True, editable=False)
    #: What else that rested on (:func:`policy.standing.surroundings`).
    surroundings = models.CharField(max_length=64, blank=True, editable=False)

    OPEN: ClassVar[tuple[str, ...]] = (
        Status.DRAFT,
        Status.SUBMITTED,
        Status.CHANGES_REQUESTED,
        Status.APPROVED,
    )
    _read: tuple[object, Policy] | None = None

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("change request")

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    @property
    def policy(self) -> Policy:
        """The draft, as the rules read it; read once for each ``content``."""
        if self._read is None or self._read[0] is not self.content:
            self._read = (self.content, remembered(self.content))
        return self._read[1]

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def is_editable(self) -> bool:
        return self.is_open


class Seed(models.Model):
    """What a change request of a release without a revision started from. Never changes.

    A row of its own, as lists of change requests have no use for it.
    """

    change_request = models.OneToOneField(ChangeRequest, models.CASCADE, related_name="seed")
    #: The policy document as it was made from the release's catalogue of that day.
    content = models.JSONField()

    def __str__(self) -> str:
        return f"seed of {self.change_request}"


class Document(models.Model):
    """A policy document under its digest: what an approval names can always be looked at again.

    Never changes. Several states of several change requests may share one.
    """

    digest = models.CharField(_("SHA-256"), max_length=64, primary_key=True)
    #: zlib of the canonical JSON; policy.history reads and writes it.
    content = models.BinaryField()

    def __str__(self) -> str:
        return self.digest[:12]


class DraftState(models.Model):
    """A content that a change request once had, and who made it so. Never changes."""

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="states")
    #: The ``lock_version`` at which the content became this.
    version = models.PositiveIntegerField(_("version"))
    document = models.ForeignKey(Document, models.PROTECT, related_name="+")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    action = models.CharField(_("action"), max_length=60)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["change_request", "version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change_request", "version"], name="state_once")
        ]

    def __str__(self) -> str:
        return f"{self.change_request} v{self.version}"


class UnmergedEdit(models.Model):
    """An edit of an older version of a draft that waits for its author to choose what stays, where
    others have changed the same since. Nothing of it is in the draft yet.
    """

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="unmerged")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    #: The version of the draft that the edit was made of.
    seen_version = models.PositiveIntegerField(_("version"))
    #: The draft as the edit would have left it.
    document = models.ForeignKey(Document, models.PROTECT, related_name="+")
    action = models.CharField(_("action"), max_length=60)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["change_request", "actor", "seen_version", "document"],
                name="unmerged_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.change_request} v{self.seen_version}"


class ReviewRequest(models.Model):
    """Somebody was asked by name to review a change request."""

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="requested")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change_request", "reviewer"], name="asked_once")
        ]

    def __str__(self) -> str:
        return f"{self.reviewer} is asked to review {self.change_request}"


class Review(models.Model):
    """A vote or a comment on exactly the content that ``digest`` names."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", _("approved")
        REQUEST_CHANGES = "request-changes", _("requested changes")
        COMMENT = "comment", _("commented")

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="reviews")
    verdict = models.CharField(_("verdict"), max_length=20, choices=Verdict.choices)
    digest = models.CharField(max_length=64)
    text = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        verbose_name = _("review")

    def __str__(self) -> str:
        return f"{self.reviewer} {self.get_verdict_display()} {self.change_request}"


class Thread(models.Model):
    """A question about a change request that waits to be resolved: on one line of its difference,
    named by ``group`` and ``label``, or, where both are empty, on the whole.
    """

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="threads")
    group = models.CharField(max_length=100, blank=True)
    label = models.TextField(blank=True)
    #: The content that it was opened on, and what the line said then (a Difference's JSON).
    digest = models.CharField(max_length=64)
    line = models.JSONField(null=True)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("thread")

    def __str__(self) -> str:
        return f"thread {self.pk} of {self.change_request}"

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None


class Comment(models.Model):
    """What somebody wrote in a thread. Nobody else sees it before it is published."""

    thread = models.ForeignKey(Thread, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    text = models.TextField(_("comment"))
    written_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    #: The vote or the comment on the whole that it was published with.
    review = models.ForeignKey(Review, models.PROTECT, null=True, related_name="comments")

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("comment")

    def __str__(self) -> str:
        return f"{self.author} in {self.thread}"


class ReviewedMark(models.Model):
    """Somebody has read what a change request does to one of its objects (:mod:`policy.objects`),
    as far as ``digest`` says: another edit of the object is another content, and yet unread.
    """

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="marks")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    #: ChangedObject.key and .digest
    object_key = models.CharField(max_length=12)
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["change_request", "reader", "object_key"], name="marked_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reader} read {self.object_key} of {self.change_request}"


class BegunBackport(models.Model):
    """A backport that somebody prepares in a change request: no part of it yet."""

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="begun")
    feature = models.ForeignKey(Feature, models.CASCADE, related_name="+")
    commit = models.CharField(_("upstream commit"), max_length=200, blank=True)
    tracker = models.CharField(_("tracker"), max_length=500, blank=True)
    justification = models.TextField(_("justification"), blank=True)
    begun_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change_request", "feature"], name="begun_once")
        ]

    def __str__(self) -> str:
        return f"backport of {self.feature} begun in {self.change_request}"


class Trial(models.Model):
    """A trial migration, named by everything that its outcome depends on.

    ``key`` is the digest of ``inputs``; the same inputs are never tried twice, and a change
    request finds its trials by the keys that its rules require. What was expected is not part of
    a trial: it stands in the policy that reads the outcome.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("not run")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("could not run")

    key = models.CharField(max_length=64, unique=True)
    #: The trial that this one repeats with other properties, and who asked for it: no policy
    #: requires it. Both empty for a required trial.
    varies = models.ForeignKey("self", models.CASCADE, null=True, related_name="variants")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    source = models.ForeignKey(Release, models.PROTECT, related_name="+")
    destination = models.ForeignKey(Release, models.PROTECT, related_name="+")
    machine_type = models.CharField(_("machine type"), max_length=255)
    #: Everything the emulator needs: see policy.trials.TrialInputs.
    inputs = models.JSONField()
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.QUEUED, db_index=True
    )
    outcome = models.CharField(_("outcome"), max_length=10, blank=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("trial")

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}, {self.machine_type}"


class StreamVerdict(models.Model):
    """Would a release load a stream? What was asked, and the answer: see policy.stream_verdicts."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("could not be judged")

    stream = models.ForeignKey(Stream, models.CASCADE, related_name="verdicts")
    #: Into which release, and through which draft it is seen; what its policy was (SHA-256).
    release = models.ForeignKey(Release, models.PROTECT, related_name="+")
    change_request = models.ForeignKey(ChangeRequest, models.SET_NULL, null=True, related_name="+")
    policy_digest = models.CharField(max_length=64, blank=True)
    machine_type = models.CharField(_("machine type"), max_length=255)
    #: Where the guest was started: its mitigations apply.
    started_on = models.ForeignKey(Release, models.PROTECT, null=True, related_name="+")
    #: A stream that the destination itself saved in the same configuration.
    profile = models.ForeignKey(Stream, models.SET_NULL, null=True, related_name="+")
    #: What the user sets on the destination: [[driver, property, value], …].
    properties = models.JSONField(default=list)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    outcome = models.CharField(_("outcome"), max_length=10, blank=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("verdict on a stream")

    def __str__(self) -> str:
        return f"{self.stream} into {self.release}"


class Bundle(models.Model):
    """A revision's bundle, as it is downloaded."""

    revision = models.OneToOneField(Revision, models.PROTECT, related_name="bundle")
    filename = models.CharField(max_length=200)
    content = models.BinaryField()
    size = models.PositiveIntegerField()
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("bundle")

    def __str__(self) -> str:
        return self.filename


class SigningKey(models.Model):
    """A public key by which bundles and their index are signed. The private one is never here."""

    #: Of the primary key, in upper case hexadecimal.
    fingerprint = models.CharField(_("fingerprint"), max_length=40, unique=True)
    owner = models.CharField(_("owner"), max_length=200)
    armored = models.TextField(_("public key"))
    added_at = models.DateTimeField(auto_now_add=True)
    #: From then on it signs nothing more; what it signed before still counts.
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("signing key")

    def __str__(self) -> str:
        return f"{self.fingerprint[-16:]} {self.owner}"


class BundleSignature(models.Model):
    """A detached signature of a bundle; another key may sign the same bundle again."""

    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="signatures")
    key = models.ForeignKey(SigningKey, models.PROTECT, related_name="signatures")
    armored = models.TextField()
    signed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bundle", "key"], name="signed_once_by_each_key")
        ]

    def __str__(self) -> str:
        return f"{self.bundle} by {self.key}"


class Revocation(models.Model):
    """A bundle that nobody may use any more. Never taken back: publish another revision."""

    bundle = models.OneToOneField(Bundle, models.PROTECT, related_name="revocation")
    reason = models.TextField(_("reason"))
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("revocation")

    def __str__(self) -> str:
        return f"{self.bundle} is revoked"


class BundleIndex(models.Model):
    """An index of all bundles as it was, or waits to be, signed. Its serial only increases."""

    serial = models.PositiveIntegerField(unique=True)
    content = models.TextField()
    expires_at = models.DateTimeField()
    key = models.ForeignKey(SigningKey, models.PROTECT, null=True, related_name="+")
    armored = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-serial"]

    def __str__(self) -> str:
        return f"index {self.serial}"


class MailSettings(models.Model):
    """Which mails a person wants; without a row all of them."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="mail_settings"
    )
    turns = models.BooleanField(_("when it becomes my turn"), default=True)
    discussion = models.BooleanField(_("votes and comments where I take part"), default=True)
    outcomes = models.BooleanField(_("what I took part in is published or withdrawn"), default=True)
    reminders = models.BooleanField(_("reminders of what waits for me"), default=True)

    def __str__(self) -> str:
        return f"mail settings of {self.user}"


class Notice(models.Model):
    """A mail to somebody about a change request, written together with what it tells of.

    A worker sends it afterwards: a row is the truth of a mail as of any other work.
    """

    class Kind(models.TextChoices):
        TURN = "turns", _("your turn")
        DISCUSSION = "discussion", _("discussion")
        OUTCOME = "outcomes", _("outcome")
        REMINDER = "reminders", _("reminder")

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="notices")
    #: Also the name of the setting (:class:`MailSettings`) that switches it off.
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    #: What must not be told twice has a name of its own.
    key = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=255)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, db_index=True)
    #: How often it could not be sent, and why the last time.
    failures = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("notice")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key"], condition=~models.Q(key=""), name="told_once")
        ]

    def __str__(self) -> str:
        return f"to {self.recipient}: {self.subject}"


class AuditEntry(models.Model):
    """Who did what, when, to which object: append-only, each entry chained to the one before."""

    at = models.DateTimeField()
    #: The login name, kept as text so that an entry outlives the account; "system" for commands.
    actor = models.CharField(_("person"), max_length=150)
    action = models.CharField(_("action"), max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    object_label = models.CharField(max_length=255)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes: ClassVar = [models.Index(fields=["object_type", "object_id"])]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_label}"


class Webhook(models.Model):
    """An address that is told of what happens in a tree: see :mod:`policy.webhooks`."""

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="webhooks")
    url = models.URLField(_("address"), max_length=500)
    events = models.JSONField(_("events"))
    #: What its secret is derived from, with the service's own key: no secret is kept here.
    nonce = models.CharField(max_length=64, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("webhook")

    def __str__(self) -> str:
        # Not its address, which is a secret at many receivers, while audits are everybody's.
        return f"webhook {self.pk} to {self.host}"

    @property
    def host(self) -> str:
        """Where it leads, without the path."""
        return urlsplit(self.url).hostname or ""


class Delivery(models.Model):
    """One telling of one event to one webhook: written with what it tells of, sent afterwards."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    #: What the receiver knows it by, however often it is sent.
    identity = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.CharField(_("event"), max_length=20)
    #: What must not be told twice has a name of its own.
    key = models.CharField(max_length=200, blank=True)
    #: The JSON, to the byte as it is signed and sent.
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    #: When it is sent next; empty for one that was taken or given up.
    due_at = models.DateTimeField(null=True, db_index=True)
    delivered_at = models.DateTimeField(null=True)
    #: What the receiver answered last, and why that was not enough.
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["webhook", "key"], condition=~models.Q(key=""), name="delivered_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
