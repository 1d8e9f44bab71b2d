"""What the policy asks the workers for. It knows no worker: whoever runs them connects here."""

from __future__ import annotations

from django.dispatch import Signal

#: Trials wait to be run. Arguments: ``change`` (ChangeRequest), ``trials`` (list of Trial, state
#: queued), ``user`` (who asked). Sent inside the transaction: enqueue on commit.
trials_required = Signal()

#: A revision was published and has no bundle yet. Arguments: ``revision``, ``user``. Sent inside
#: the transaction: enqueue on commit.
bundle_required = Signal()

#: Bundles or their index wait to be signed. Sent inside the transaction: enqueue on commit.
signatures_required = Signal()

#: Webhooks wait to be told: rows of Delivery. Sent inside the transaction: enqueue on commit.
deliveries_required = Signal()

#: Mails wait to be sent: rows of Notice. Sent inside the transaction: enqueue on commit.
mails_required = Signal()
