"""What is read before the first request is not read again by it."""

from __future__ import annotations

import logging

import pytest
from policy_world import World

from frontend.searching import known
from frontend.warming import read_ahead
from policy import state


def test_what_was_read_ahead_is_asked_for_without_its_text(
    world: World, django_assert_num_queries
) -> None:
    revision = world.published()
    read_ahead(30)
    with django_assert_num_queries(0):
        policy = state.policy_of(revision)
    assert policy.label == revision.release.label


def test_names_that_were_read_ahead_are_not_read_by_a_search(
    world: World, django_assert_num_queries
) -> None:
    read_ahead(30)
    snapshots = known.current()
    with django_assert_num_queries(0):
        assert list(known.with_words(known.PROPERTIES, snapshots, ["."]))


def test_a_start_does_not_wait_for_ever(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.published()
    with caplog.at_level(logging.WARNING):
        read_ahead(-1)
    assert "Not all releases were read ahead" in caplog.text
