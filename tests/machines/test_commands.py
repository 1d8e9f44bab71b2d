"""``manage.py import_release`` and ``probe_qemu``, as a person calls them."""

import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from machines.catalogue import effective_catalogue
from machines.models import Release, Snapshot
from policy.models import AuditEntry

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "machines" / "sample"


def run(command: str, *arguments: object) -> str:
    output = io.StringIO()
    call_command(command, *map(str, arguments), stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_a_folder_is_imported_and_audited() -> None:
    printed = run("import_release", "--tree", "upstream", "--version", "5.2", SAMPLE / "qemu/5.2")
    assert "upstream 5.2: snapshot 1 (new)" in printed
    assert "517 types" in printed
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object_label) == ("system", "import", "upstream 5.2")


@pytest.mark.django_db
def test_the_same_folder_again_says_that_nothing_is_new() -> None:
    arguments = ("--tree", "rhel", "--version", "9.2", SAMPLE / "rhel/9.2")
    run("import_release", *arguments)
    assert "nothing new" in run("import_release", *arguments)
    assert AuditEntry.objects.count() == Snapshot.objects.count() == 1


@pytest.mark.django_db
def test_other_content_prints_the_difference() -> None:
    arguments = ("--tree", "rhel", "--version", "9.2")
    run("import_release", *arguments, SAMPLE / "rhel/9.2")
    printed = run("import_release", *arguments, SAMPLE / "rhel/9.3")
    assert "snapshot 2 (new)" in printed
    assert "compat added:" in printed
    assert "hw_compat_rhel_9_2: " in printed


@pytest.mark.django_db
def test_base_and_stand_in_are_named_with_the_import() -> None:
    run("import_release", "--tree", "upstream", "--version", "7.2", SAMPLE / "qemu/7.2")
    links = ("--base", "upstream/8.0", "--stand-in", "upstream/7.2")
    run("import_release", "--tree", "rhel", "--version", "9.3", *links, SAMPLE / "rhel/9.3")
    _, source = effective_catalogue(Release.objects.get(version="9.3"))
    assert (source.label, source.stand_in_for) == ("upstream 7.2", "upstream 8.0")


@pytest.mark.django_db
def test_patches_are_imported_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text('GlobalProperty a[] = { { "x", "y", "z" } };')
    (tmp_path / "b.c").write_text('GlobalProperty b[] = { { "x", "y" } };')
    run("import_release", "--tree", "rhel", "--version", "1", tmp_path / "a.c")
    with pytest.raises(CommandError, match=r"b.c:1: the entry has no value"):
        run("import_release", "--tree", "rhel", "--version", "1", tmp_path / "b.c")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--tree", "RHEL", "--version", "1"), "RHEL 1: Lower-case letters"),
        (("--tree", "rhel", "--version", "1", "--base", "upstream"), "should be TREE/VERSION"),
        (("--tree", "rhel", "--version", "1", "--base", "rhel/1"), "cannot be its own base"),
    ],
)
def test_a_wrong_release_is_refused(arguments: tuple[str, ...], error: str) -> None:
    with pytest.raises(CommandError, match=error):
        run("import_release", *arguments, SAMPLE / "rhel/9.2")
    assert not Snapshot.objects.exists()


@pytest.mark.django_db
def test_a_folder_that_is_none_makes_no_release(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds none of"):
        run("import_release", "--tree", "rhel", "--version", "1", tmp_path)
    assert not Release.objects.exists()


@pytest.mark.django_db
def test_a_binary_is_imported_with_what_it_could_not_tell(tmp_path: Path) -> None:
    program = tmp_path / "qemu"
    source = (Path(__file__).parent / "fake_qemu.py").read_text()
    program.write_text(f"#!{sys.executable}\n{source}")
    program.chmod(0o755)
    printed = run("probe_qemu", program, "--tree", "upstream")
    assert "upstream 9.0: snapshot 1 (new)" in printed
    assert "not listed: aborts (was ended by SIGABRT" in printed


@pytest.mark.django_db
def test_a_binary_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="/bin/true"):
        run("probe_qemu", "/bin/true", "--tree", "upstream")
    assert not Release.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_commands_at_once_import_one_snapshot() -> None:
    together = threading.Barrier(2)

    def start(_: int) -> str:
        together.wait(10)
        try:
            return run("import_release", "--tree", "rhel", "--version", "9.2", SAMPLE / "rhel/9.2")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        printed = sorted(pool.map(start, range(2)))
    assert printed[0] == "rhel 9.2: nothing new, snapshot 1 has this content.\n"
    assert printed[1].startswith("rhel 9.2: snapshot 1 (new)")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", str(SAMPLE)])
def test_what_is_no_file_is_not_read(path: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"is no file|is none of|cannot be read"):
        run("import_release", "--tree", "rhel", "--version", "9.9", path, tmp_path / "c.patch")


@pytest.mark.django_db
def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    sparse = tmp_path / "vmstate.json"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(CommandError, match="is larger than 64 MiB"):
        run("import_release", "--tree", "rhel", "--version", "9.9", sparse)
    assert not Release.objects.exists()
