"""What people see when the house shakes: a killed worker, a service stopped and started again."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from people import Person
from playwright.sync_api import expect

from tests.conftest import LiveStack, free_port, serve, stop, wait_until

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
TITLE = "The way to 9.3"


def workers_of(var: Path) -> list[int]:
    """The Celery worker of this data folder, and the processes in which it runs its tasks."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"LOCKSTEP_VAR={var}\0".encode() in (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours and b"worker" in command:
            found.append(int(entry.name))
    return found


def trials(live_stack: LiveStack) -> dict[int, tuple[str, str]]:
    """Each trial's state, and when its result was recorded."""
    with sqlite3.connect(f"file:{live_stack.var}/lockstep.sqlite3?mode=ro", uri=True) as database:
        rows = database.execute("SELECT id, state, finished_at FROM policy_trial").fetchall()
    return {number: (state, finished) for number, state, finished in rows}


def test_a_killed_worker_is_nothing_but_a_pause(come: Come, live_stack: LiveStack) -> None:
    """The page goes on by itself; every trial has its outcome, each recorded once."""
    person = come("maintainer")
    person.open("/changes/new/")
    person.choose(Release="rhel 9.2")
    person.fill(Title=TITLE)
    person.send("Open the change")
    person.open(f"{person.page.url.split('?')[0].removeprefix(person.url)}?tab=trials")
    person.choose(From="rhel 9.2", To="rhel 9.3")
    person.send("Declare")
    # With every device there is, a trial takes long enough to be interrupted.
    person.fill(Device_types="")
    person.send("Choose these")
    known = trials(live_stack)
    person.press("Run what is missing")
    wait_until(lambda: is_halfway(trials(live_stack), known), "the first results")
    for pid in workers_of(live_stack.var):
        os.kill(pid, signal.SIGKILL)
    before = {n: seen for n, seen in trials(live_stack).items() if seen[0] == "done"}

    expect(person.page.get_by_text("differ · 0 waiting · 0 to run")).to_be_visible(timeout=120_000)
    after = trials(live_stack)
    assert len(after) == len(known) + 20
    assert {seen[0] for seen in after.values()} == {"done"}
    assert {number: after[number] for number in before} == before


def is_halfway(seen: dict[int, tuple[str, str]], known: dict[int, tuple[str, str]]) -> bool:
    """Whether some of the trials that were not known before are done, and some are not."""
    states = {state == "done" for number, (state, _) in seen.items() if number not in known}
    return states == {True, False}


def test_a_second_start_keeps_everything(
    come: Come, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_SAMPLE", "0")
    process, _ = serve(tmp_path, free_port(), tmp_path / "first.log")
    key = (tmp_path / "secret-key").read_bytes()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    with sqlite3.connect(tmp_path / "lockstep.sqlite3") as database:
        database.execute("INSERT INTO machines_tree (name, title) VALUES ('suse', 'SUSE')")
    again, _ = serve(tmp_path, free_port(), tmp_path / "second.log")
    assert stop(again) == 0
    with sqlite3.connect(tmp_path / "lockstep.sqlite3") as database:
        trees = database.execute("SELECT name FROM machines_tree").fetchall()
    assert trees == [("suse",)]
    assert (tmp_path / "secret-key").read_bytes() == key
