"""A worker's trials find the same in its own process and between processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from machines.emulator.session import Session
from policy.models import ChangeRequest, Trial
from workers import jobs, tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_setting_chooses_and_both_ways_record_the_same(
    change: ChangeRequest,
    maintainer: User,
    make_trials: Callable[[int], list[Trial]],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (trial,) = make_trials(1)
    started: list[str] = []
    opened = Session.open

    def counted(session: Session) -> None:
        started.append(settings.LOCKSTEP_TRIALS)
        opened(session)

    monkeypatch.setattr(Session, "open", counted)
    results = []
    for way in ("in-process", "processes"):
        settings.LOCKSTEP_TRIALS = way
        Trial.objects.filter(pk=trial.pk).update(state=Trial.State.QUEUED, result={}, outcome="")
        tasks.run_trials(jobs.enqueue_trials(change, [trial], maintainer).pk)
        trial.refresh_from_db()
        assert trial.state == Trial.State.DONE
        results.append((trial.outcome, trial.result))
    assert results[0] == results[1]
    assert started == ["processes", "processes"]  # one machine for each side
