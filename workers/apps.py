"""Connects what the policy asks for to the queue."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"

    def ready(self) -> None:
        # Importing the application here makes it the one that tasks are sent by.
        from policy.signals import (
            bundle_required,
            deliveries_required,
            mails_required,
            signatures_required,
            trials_required,
        )
        from workers import celery  # noqa: F401

        trials_required.connect(_run_trials, dispatch_uid="workers.trials")
        bundle_required.connect(_build_bundle, dispatch_uid="workers.bundle")
        signatures_required.connect(_sign, dispatch_uid="workers.signatures")
        deliveries_required.connect(_tell_webhooks, dispatch_uid="workers.deliveries")
        mails_required.connect(_send_mails, dispatch_uid="workers.mails")


def _run_trials(sender: object, *, change: Any, trials: Any, user: Any, **_: object) -> None:
    from workers import jobs

    if trials:
        jobs.enqueue_trials(change, trials, user)


def _build_bundle(sender: object, *, revision: Any, user: Any, **_: object) -> None:
    from workers import jobs

    jobs.enqueue_bundle(revision, user)


def _sign(sender: object, **_: object) -> None:
    from workers import jobs

    jobs.enqueue_signatures()


def _tell_webhooks(sender: object, **_: object) -> None:
    from workers import jobs

    jobs.enqueue_deliveries()


def _send_mails(sender: object, **_: object) -> None:
    from workers import jobs

    jobs.enqueue_mails()
