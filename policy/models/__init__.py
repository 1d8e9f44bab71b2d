"""The tables of what a downstream decides, one file a family.

    people      roles, memberships and tokens
    trees       review rules and promised migrations
    features    the library of features
    changes     change requests, their drafts, states and unmerged edits
    reviews     requests, votes, threads and reading marks
    trials      trials, and verdicts on streams
    revisions   what was published
    bundles     bundles, keys, signatures and the index
    messages    mails and webhooks
    audit       the audit trail

The policy itself is a document (:mod:`policy.document`): a change request's ``content`` is its
draft, a revision's ``content`` never changes again. Everybody imports from here.
"""

from policy.models.audit import AuditEntry
from policy.models.bundles import Bundle, BundleIndex, BundleSignature, Revocation, SigningKey
from policy.models.changes import (
    BegunBackport,
    ChangeRequest,
    Document,
    DraftState,
    Seed,
    UnmergedEdit,
)
from policy.models.features import Feature
from policy.models.messages import Delivery, MailSettings, Notice, Webhook
from policy.models.people import Membership, Role, Token
from policy.models.reviews import Comment, Review, ReviewedMark, ReviewRequest, Thread
from policy.models.revisions import Revision
from policy.models.trees import ReviewRules, TreePromises
from policy.models.trials import (
    Alteration,
    AlteredTrial,
    PublishedStanding,
    StreamVerdict,
    Trial,
)

__all__ = [
    "Alteration",
    "AlteredTrial",
    "AuditEntry",
    "BegunBackport",
    "Bundle",
    "BundleIndex",
    "BundleSignature",
    "ChangeRequest",
    "Comment",
    "Delivery",
    "Document",
    "DraftState",
    "Feature",
    "MailSettings",
    "Membership",
    "Notice",
    "PublishedStanding",
    "Review",
    "ReviewRequest",
    "ReviewRules",
    "ReviewedMark",
    "Revision",
    "Revocation",
    "Role",
    "Seed",
    "SigningKey",
    "StreamVerdict",
    "Thread",
    "Token",
    "TreePromises",
    "Trial",
    "UnmergedEdit",
    "Webhook",
]
