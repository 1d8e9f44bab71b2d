"""The commands of ``lockstep`` that ask the server."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from policy_world import MACHINES, World, run_trials

from frontend.cli import client, configuration
from machines.emulator.notes import Problem
from policy import edits
from policy.models import Token, Trial
from policy.publishing import bundle, signing
from policy.review import examining
from tests.policy.signing_keys import made_key

Run = Callable[..., tuple[int, str, str]]


def test_who_you_are(world: World, run: Run) -> None:
    status, out, _err = run(world.maintainer, "whoami")
    assert status == 0
    assert "maintainer of down" in out
    assert json.loads(run(world.maintainer, "whoami", "--json")[1])["username"] == "maintainer"


def test_without_a_token_it_says_how_to_get_one(world: World, run: Run) -> None:
    status, out, err = run(None, "releases")
    assert (status, out) == (3, "")
    assert "lockstep login" in err


def test_login_keeps_the_token_for_its_owner_alone(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world.reviewer, "whoami")
    secret = configuration.load().token
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{secret}\n"))
    assert run(None, "login")[0] == 0
    kept = configuration.path()
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv("LOCKSTEP_TOKEN")
    assert configuration.load().token == secret
    # It is never sent to another site.
    assert configuration.load(site="https://elsewhere.example").token == ""
    monkeypatch.setenv("LOCKSTEP_TOKEN", secret)
    assert run(world.reviewer, "logout")[0] == 0
    assert not Token.objects.get(user=world.reviewer).is_valid


@pytest.mark.parametrize("text", ["site = 5", 'colour = "red"', "site ="])
def test_a_wrong_configuration_is_named(world: World, run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    status, _out, err = run(world.reviewer, "releases")
    assert status == 2
    assert "config.toml" in err


def test_releases(world: World, run: Run) -> None:
    assert "down 1.2\tup 1.0\t" in run(world.reviewer, "releases")[1]
    assert re.search(r"^base +up 1.0$", run(world.reviewer, "releases", "down/1.2")[1], re.M)
    status, _out, err = run(world.reviewer, "releases", "down/9.9")
    assert (status, err.strip()) == (2, "There is no such thing, or you may not see it.")
    assert run(world.reviewer, "releases", "down")[0] == 2


def test_a_change_is_opened_edited_and_reviewed(world: World, run: Run, tmp_path: Path) -> None:
    opened = json.loads(run(world.maintainer, "change", "open", "down/1.2", "-t", "A", "--json")[1])
    number = str(opened["id"])
    file = tmp_path / "policy.yaml"
    assert run(world.maintainer, "change", "policy", number, "--yaml", "-o", str(file))[0] == 0
    file.write_text(file.read_text().replace('"5"', '"6"'))
    status, _out, err = run(world.maintainer, "change", "put", number, str(file), "--version", "1")
    assert status == 0, err
    status, out, _err = run(world.maintainer, "diff", "--change", number)
    assert status == 1
    assert "foo.speed" in out
    assert run(world.maintainer, "change", "submit", number)[0] == 0
    digest = json.loads(run(world.reviewer, "change", "show", number, "--json")[1])["digest"]
    status, _out, err = run(world.reviewer, "change", "approve", number, opened["digest"])
    assert status == 2
    assert "another by now" in err
    assert run(world.maintainer, "change", "approve", number, digest)[0] == 3
    assert run(world.reviewer, "change", "approve", number, digest[:8], "-m", "Good.")[0] == 0
    assert f"#{number}\tdown 1.2\tapproved" in run(world.reviewer, "change", "list")[1]


def test_a_file_with_a_fault_changes_nothing(world: World, run: Run, tmp_path: Path) -> None:
    number = str(world.change().pk)
    file = tmp_path / "policy.json"
    policy = json.loads(run(world.maintainer, "change", "policy", number)[1])
    policy["machine_types"][0]["name"] = "a b"
    file.write_text(json.dumps(policy))
    status, _out, err = run(world.maintainer, "change", "put", number, str(file))
    assert status == 2
    assert "machine_types[0].name" in err
    assert run(world.maintainer, "diff", "--change", number)[0] == 0


def test_findings_of_a_patch(world: World, run: Run, tmp_path: Path) -> None:
    world.published()
    good, bad = tmp_path / "good.c", tmp_path / "bad.c"
    good.write_text('GlobalProperty pc_down_compat[] = { { "foo", "speed", "5" }, };')
    bad.write_text("GlobalProperty pc_down_compat[] = { { /* end of list */ } };")
    ask = ("findings", "down/1.2")
    assert run(world.maintainer, *ask, str(good), "--exit-code")[0] == 0
    status, out, _err = run(world.maintainer, *ask, str(bad), "--json")
    told = json.loads(out)
    assert status == 0
    assert any("foo.speed" in item["label"] for item in told["differences"])
    bad.write_text("GlobalProperty pc_down_compat[] = { {")
    status, _out, err = run(world.maintainer, *ask, str(bad))
    assert status == 2
    assert "bad.c:1" in err


def test_what_comes_in_pages_is_told_whole(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ROWS", 1)
    monkeypatch.setattr(client, "LARGEST_PAGE", 1)
    world.published()
    change = world.edit(world.change(), world.maintainer, "7")
    change = edits.add_migration(
        change, world.maintainer, change.lock_version, "down 1.2", "down 1.2", "refused"
    )
    number = str(change.pk)
    told = json.loads(run(world.reviewer, "findings", "--change", number, "--json")[1])
    wanted = [item.finding.identity for item in examining.findings_of(change)]
    assert [item["id"] for item in told["findings"]] == wanted
    assert len(wanted) > 1
    matrix = json.loads(run(world.reviewer, "matrix", "--change", number, "--json")[1])
    assert {item["machine_type"] for item in matrix["migrations"]} == set(MACHINES)
    lines = json.loads(run(world.reviewer, "diff", "--change", number, "--json")[1])
    assert len(lines) == 2


def test_findings_are_chosen(world: World, run: Run) -> None:
    world.published()
    number = str(world.edit(world.change(), world.maintainer, "7").pk)
    every = ("findings", "--change", number, "--json")
    chosen = json.loads(run(world.reviewer, *every, "--severity", "error")[1])["findings"]
    assert {item["severity"] for item in chosen} == {"error"}
    assert json.loads(run(world.reviewer, *every, "--device", "none")[1])["findings"] == []
    assert run(world.reviewer, *every, "--severity", "bad")[0] == 2


def test_search(world: World, run: Run) -> None:
    status, out, _err = run(world.reviewer, "search", "down", "1.2")
    assert status == 0
    assert re.search(r"^releases\tdown 1.2\t\thttp://\S+/releases/down/1.2/$", out, re.M)
    told = json.loads(run(world.reviewer, "search", "foo", "--release", "up/1.0", "--json")[1])
    [device] = [group["hits"][0] for group in told["groups"] if group["kind"] == "devices"]
    assert device["api"] == "/api/v1/releases/up/1.0/devices/foo/"
    assert run(world.reviewer, "search", "no-such-name") == (1, "", "")
    status, out, told = run(world.reviewer, "search", "foo", "--limit", "1")
    assert (status, out.count("sections\t")) == (0, 1)
    assert told == "There are more properties, sections: another word narrows it.\n"
    assert run(world.reviewer, "search", "foo.speed", "--limit", "1")[2] == ""
    assert run(world.reviewer, "search")[0] == 2
    assert run(world.reviewer, "search", "x" * 201)[0] == 2


def test_a_trial_that_was_refused_says_why(world: World, run: Run) -> None:
    """As the emulator would have it: every section at fault with its reason."""
    change = edits.add_migration(
        world.change(), world.maintainer, 1, "down 1.2", "down 1.2", "correct"
    )
    run_trials(change, world.maintainer)
    trial = Trial.objects.earliest("pk")
    problem = Problem("layout", "Failed to load foo:a", "foo", "a", "foo", "down 1.2")
    [hop] = trial.result["hops"]
    hop |= {"outcome": "refused", "problems": [asdict(problem)]}
    trial.save()
    status, out, _err = run(world.reviewer, "trials", str(trial.pk))
    assert status == 0
    assert "  foo: Failed to load foo:a\n" in out


def test_bundles(world: World, run: Run, tmp_path: Path) -> None:
    stored = bundle.store(world.published())
    assert stored.filename in run(world.reviewer, "bundle", "list")[1]
    folder = tmp_path / "bundles"
    status, out, _err = run(world.reviewer, "bundle", "download", "down/1.2", "-o", str(folder))
    assert (status, out.splitlines()[0]) == (0, f"{folder / stored.filename}: whole")
    assert [path.name for path in folder.iterdir()] == [stored.filename]
    assert run(world.reviewer, "bundle", "revoke", "down/1.2", "1", "--reason", "x")[0] == 3
    assert run(world.manager, "bundle", "revoke", "down/1.2", "1", "--reason", "Bad.")[0] == 0
    assert run(world.reviewer, "bundle", "show", "down/1.2", "-r", "1")[0] == 1
    status, _out, err = run(world.reviewer, "bundle", "download", "down/1.2", "-r", "1")
    assert status == 2
    assert "Bad." in err


def test_bundles_and_their_index_are_signed_by_ones_own_gpg(
    world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = bundle.store(world.published())
    file = tmp_path / stored.filename
    file.write_bytes(bytes(stored.content))
    assert run(world.manager, "bundle", "sign-index", "--key", "x")[1:] == (
        "No index waits to be signed.\n",
        "",
    )
    signing.renew_index()
    with made_key() as key:
        signing.add_key(key.public, None)
        monkeypatch.setenv("GNUPGHOME", key.home)
        signed = ("--key", key.fingerprint)
        handed_in = run(
            world.manager, "bundle", "sign", str(file), *signed, "--upload", "down/1.2", "1"
        )
        assert handed_in[0] == 0, handed_in
        assert run(world.manager, "bundle", "sign-index", "--key", "unknown")[0] == 2
        assert run(world.reviewer, "bundle", "sign-index", *signed)[0] == 3
        status, out, _err = run(world.manager, "bundle", "sign-index", *signed)
        assert (status, out.startswith("Index 1 is signed")) == (0, True)
        keys = tmp_path / "keys.asc"
        keys.write_bytes(key.public)
        fetch = ("bundle", "download", "down/1.2", "-o", str(tmp_path / "b"), "--keys", str(keys))
        assert run(world.reviewer, *fetch)[0] == 0


def test_a_bundle_that_nobody_signed(world: World, run: Run, tmp_path: Path) -> None:
    bundle.store(world.published())
    keys, folder = tmp_path / "keys.asc", tmp_path / "bundles"
    keys.write_text("")
    fetch = ("bundle", "download", "down/1.2", "-o", str(folder), "--keys", str(keys))
    status, _out, err = run(world.reviewer, *fetch)
    assert (status, "is not signed" in err, "leave out --keys" in err) == (2, True, True)
    assert not list(folder.iterdir())


def test_matrix_and_trials(world: World, run: Run) -> None:
    world.published()
    assert run(world.reviewer, "matrix", "down")[0] in (0, 1)
    assert run(world.reviewer, "matrix")[0] == 2
    assert run(world.reviewer, "trials") == (0, "", "")
    assert MACHINES


def test_an_unreachable_server(world: World, run: Run) -> None:
    status, out, err = run(world.reviewer, "--site", "http://127.0.0.1:9", "releases")
    assert (status, out) == (3, "")
    assert "does not answer" in err
