"""The sample story: made through the workflow, true on the emulator, and loaded only once."""

from __future__ import annotations

import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.db import transaction
from django.test import override_settings

from machines.models import Release, Snapshot
from policy import audit, trials
from policy.models import AuditEntry, Bundle, ChangeRequest, Feature, Revision
from policy.packing import archive
from policy.publishing import bundle
from policy.review import turns, workflow
from workers import sample


class Interrupted(Exception):
    """Somebody pulled the plug."""


def pull_the_plug(step: str) -> None:
    if step.startswith("Ran 9 trial migrations"):
        raise Interrupted


@pytest.fixture(scope="module")
def loaded(
    django_db_setup: None, django_db_blocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The sample, loaded once for all tests here, after a first try that was interrupted."""
    var = tmp_path_factory.mktemp("var")
    with django_db_blocker.unblock(), override_settings(VAR_DIR=var), transaction.atomic():
        with pytest.raises(Interrupted):
            sample.load(pull_the_plug)
        assert not Revision.objects.exists()
        yield sample.load(lambda step: None)
        transaction.set_rollback(True)


pytestmark = pytest.mark.django_db


def test_people_can_log_in_with_the_kept_passwords(loaded: Path, rf) -> None:
    assert stat.S_IMODE(loaded.stat().st_mode) == 0o600
    logins = dict(line.split() for line in loaded.read_text().splitlines())
    assert set(logins) == {"maintainer", "reviewer", "release"}
    for name, password in logins.items():
        assert authenticate(rf.get("/"), username=name, password=password) is not None


def test_published_policy_came_through_review_and_trials(loaded: Path) -> None:
    revision = Revision.objects.get()
    change = revision.change_request
    assert (str(revision), change.status) == ("rhel 9.2 r1", "published")
    assert [item.verdict for item in trials.required(change)] == ["passed"] * 9
    assert [vote.reviewer.username for vote in workflow.approvals(change)] == ["reviewer"]
    actions = AuditEntry.objects.filter(object_id=str(change.pk), object_type__contains="change")
    assert {"open", "submit", "approve", "publish"} <= {entry.action for entry in actions}
    assert audit.verify() == []


def test_bundle_is_whole(loaded: Path) -> None:
    built = Bundle.objects.get()
    assert bundle.verify(bytes(built.content)) == []
    assert bundle.build(built.revision).sha256 == built.sha256


def test_open_change_waits_for_the_reviewer_alone(loaded: Path) -> None:
    change = ChangeRequest.objects.get(release__version="9.3")
    reviewer, author = User.objects.get(username="reviewer"), change.author
    assert [turn.change for turn in turns.your_turns(reviewer)] == [change]
    assert "approve" in workflow.available(change, reviewer)
    assert "approve" not in workflow.available(change, author)
    assert {item.code for item in workflow.blockers(change)} == {"status", "approval"}


def test_trials_of_the_open_change_tell_what_its_policy_declares(loaded: Path) -> None:
    change = ChangeRequest.objects.get(release__version="9.3")
    needed = trials.required(change)
    assert {item.verdict for item in needed} == {"passed"}
    refused = [item for item in needed if item.required.expected == "refused"]
    assert [item.required.machine_type for item in refused] == ["pc-q35-rhel9.2.0"]
    assert "unknown subsection 'scsi-disk/pr'" in refused[0].trial.result["reason"]  # type: ignore[union-attr,index]


def test_stand_ins_are_named(loaded: Path) -> None:
    policy = ChangeRequest.objects.get(release__version="9.3").policy
    assert (policy.base.release, policy.base.stand_in_for) == ("upstream 10.0", "upstream 8.0")
    without = Release.objects.filter(snapshots=None)
    assert [release.label for release in without] == ["upstream 6.2", "upstream 8.0"]


def test_loading_again_changes_nothing(loaded: Path) -> None:
    def state() -> tuple[object, ...]:
        kinds = (User, Snapshot, Feature, ChangeRequest, Revision, Bundle, AuditEntry)
        return (*(kind.objects.count() for kind in kinds), loaded.read_text())

    before = state()
    steps: list[str] = []
    sample.load(steps.append)
    assert (state(), steps) == (before, [])


def test_published_arrays_compile(loaded: Path, tmp_path: Path) -> None:
    for path, content in archive.unpack(bytes(Bundle.objects.get().content)).files.items():
        if path.endswith((".c", ".h")):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
    (tmp_path / "hw").mkdir()
    (tmp_path / "hw/qdev-core.h").write_text(
        "#include <stddef.h>\n#define G_N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))\n"
        "typedef struct GlobalProperty { const char *driver, *property, *value; } GlobalProperty;"
        "typedef struct GPtrArray GPtrArray; void g_ptr_array_add(GPtrArray *array, void *data);"
    )
    (tmp_path / "qemu/osdep.h").touch()
    for target in ("qemu", "lockstep"):
        source = tmp_path / target / "lockstep-compat.c"
        assert source.read_text().count("\nvoid lockstep_") == len(sample.SHIPPED["9.2"])
        command = ["gcc", "-Wall", "-Werror", "-fsyntax-only", f"-I{tmp_path}"]
        subprocess.run([*command, f"-I{tmp_path / target}", source], check=True)


@pytest.mark.qemu
@pytest.mark.parametrize("form", ["globals.args", "compat.cfg"])
def test_published_sets_start_qemu(loaded: Path, form: str, tmp_path: Path) -> None:
    """RHEL's sets on the QEMU of its base: taken without an error, whatever is in this machine."""
    qemu = shutil.which("qemu-system-x86_64")
    assert qemu, "needs Debian's qemu-system-x86 (7.2)"
    files = archive.unpack(bytes(Bundle.objects.get().content)).files
    for machine_type in ("pc-q35-rhel9.2.0", "pc-q35-rhel7.6.0", "pc-i440fx-rhel7.6.0"):
        path = tmp_path / form
        path.write_bytes(files[f"qemu/machine-types/{machine_type}/{form}"])
        given = shlex.split(path.read_text()) if form.endswith("args") else ["-readconfig", path]
        board = "pc-q35-7.2" if "q35" in machine_type else "pc-i440fx-7.2"
        ran = subprocess.run(
            [qemu, "-M", board, "-nodefaults", "-display", "none", "-S", "-qmp", "stdio", *given],
            input='{"execute": "qmp_capabilities"}{"execute": "quit"}',
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert ran.returncode == 0, ran.stderr
        notes = ("not used", "has invalid class name")
        assert [line for line in ran.stderr.splitlines() if not line.endswith(notes)] == []
