"""The main job, as the README's tour tells it: three people, real Chromium, real QEMU's output.

Debian 13 has no policy yet. Its maintainer imports the release, takes a feature of QEMU 11.1 into
it, keeps guests of Debian 12 coming and going, and learns from a trial what cannot go; a reviewer
approves, the release manager publishes, and the bundle's checksums hold.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from people import Person
from playwright.sync_api import expect

from policy.publishing import bundle
from tests.conftest import ROOT, LiveStack

pytestmark = pytest.mark.browser

FILES = sorted((ROOT / "machines" / "sample" / "qemu" / "10.0").glob("*.json.xz"))
TITLE = "Long TPM commands, without losing the way from 12 and back"
DESCRIPTION = """\
Keys that quantum computers do not break need TPM commands of more than one buffer. QEMU 11.1 sends
them in chunks. Guests of Debian 12 keep what they have, and may go back."""
FEATURE = "TPM commands longer than one buffer"
#: What a server's guest on Debian has; the trials exercise these.
DEVICES = (
    "mc146818rtc isa-pit i8042 isa-serial vmgenid usb-tablet scsi-hd virtio-blk-device "
    "virtio-net-device virtio-rng-device virtio-scsi-device tpm-crb"
)
#: From, to, machine type, promised outcome, why
MIGRATIONS = (
    ("debian 12", "debian 13", "pc-q35-7.2", "correct", "The way of an upgrade."),
    ("debian 13", "debian 12", "pc-q35-7.2", "correct", "A host that is rolled back."),
    ("upstream 10.0", "debian 13", "pc-q35-10.0", "correct", "Started before this update."),
    ("debian 13", "upstream 10.0", "pc-q35-10.0", "refused", "Better than half a command."),
)

Come = Callable[..., Person]


def test_the_main_job(come: Come, live_stack: LiveStack, tmp_path: Path) -> None:
    maintainer, reviewer, release = come("maintainer"), come("reviewer"), come("release")
    maintainer.picture("home")
    import_the_release(maintainer)
    change = open_the_change(maintainer)
    record_the_backport(maintainer, change)
    set_a_property(maintainer, change)
    relax_a_bit(maintainer, change)
    declare_migrations(maintainer, change)
    run_trials(maintainer, change)
    find_what_cannot_go(maintainer, change)
    judge_the_findings(maintainer, change)
    submit(maintainer, change)
    be_refused_to_approve(maintainer, change)
    approve(reviewer, change)
    void_the_approval(maintainer, change)
    approve_again(reviewer, change)
    publish(release, change)
    check_the_bundle(fetch(release, tmp_path))
    assert "holds" in live_stack.manage("verify_audit")


def import_the_release(person: Person) -> None:
    person.follow("Imports", where="nav")
    person.follow("Import a release")
    person.choose(Tree="debian")
    person.fill(Version="13")
    person.choose(Base_release="upstream 10.0")
    person.field("Files").set_input_files(FILES)
    person.picture("import-files")
    person.send("Upload and import")
    # The page shows the work and its end by itself: it is never loaded again.
    stay(person)
    person.sees("debian 13, snapshot 1")
    expect(person.page.get_by_text("594").first).to_be_visible()
    stayed(person)
    person.picture("import-done")


def open_the_change(person: Person) -> int:
    person.follow("To the release")
    person.sees("No policy yet")
    person.follow("Start the policy")
    expect(person.field("Release").locator("option:checked")).to_have_text("debian 13")
    person.fill(Title=TITLE, Description=DESCRIPTION)
    person.send("Open the change")
    person.sees("draft")
    # It starts from what the release's own sources do.
    person.follow("Machine types and compat properties")
    expect(person.row("pc-q35-7.2", "pc-q35-8.0")).to_be_visible()
    person.page.go_back()
    found = re.search(r"/changes/(\d+)/", person.page.url)
    assert found
    return int(found[1])


def record_the_backport(person: Person, change: int) -> None:
    person.follow("Backport a feature")
    person.choose(Without_the_feature="upstream 10.0", With_the_feature="upstream 11.1")
    person.fill(Device_or_feature="tpm")
    person.send("Compare")
    person.sees("tpm-crb has a new subsection tpm-crb/chunk")
    person.follow("tpm-crb/chunk of tpm-crb")
    person.sees("tpm-crb.cap-chunk=on")
    person.fill(
        Title=FEATURE,
        What_the_guest_sees="The interface takes a command, and gives its answer, in parts.",
    )
    person.picture("backport-name")
    person.send("Record and go on")
    person.sees("absent loses TPM commands longer than one buffer")
    person.fill(
        Upstream_commit="hw/tpm: chunks for the command response buffer",
        Tracker="https://bugs.debian.org/src:qemu",
        Justification="Guests with post-quantum keys cannot use their TPM without it.",
    )
    person.picture("backport-justify")
    person.send("Save to #")
    person.sees(f"Backport {FEATURE}")


def set_a_property(person: Person, change: int) -> None:
    """On pc-q35-9.2, from which every older machine type goes on: first wrongly, then right."""
    person.open(f"/releases/debian/13/machine-types/pc-q35-9.2/?change={change}")
    person.fill(Device_type="tpm-crb", Property="cap-chunk", Value="maybe")
    with person.expecting(422):
        person.press(f"Add to #{change}")
        person.sees("'maybe' is not a switch: use on or off.")
    value = person.field("Value")
    expect(value).to_have_attribute("aria-invalid", "true")
    typed = [person.field(name).input_value() for name in ("Device type", "Property", "Value")]
    assert typed == ["tpm-crb", "cap-chunk", "maybe"]
    person.look_at(value)
    person.picture("property-wrong")
    value.fill("off")
    person.press(f"Add to #{change}")
    expect(person.page.get_by_label("Value of tpm-crb.cap-chunk")).to_contain_text("off")
    # The older ones have it from there.
    person.open(f"/releases/debian/13/machine-types/pc-q35-7.2/?change={change}")
    row = person.row("cap-chunk")
    expect(row).to_contain_text("off")
    expect(row).to_contain_text("pc-q35-9.2")
    person.picture("machine-type")


def relax_a_bit(person: Person, change: int) -> None:
    """Guests that were started before the backport come without its state: let them."""
    person.open(f"/releases/debian/13/devices/tpm-crb/?change={change}&machine_type=pc-q35-10.0")
    cell = person.page.get_by_label("tpm-crb/chunk version 0")
    expect(cell).to_have_accessible_name(re.compile("blacklisted by default"))
    cell.click()
    person.sees("vmstate-blacklist-chunk 0x1 → 0x0")
    person.fill(**{"Why may less than everything arrive?": "Started before: nothing to lose."})
    person.page.get_by_label("only on pc-q35-10.0").check()
    person.sees("on 1 of 65 machine types")
    person.picture("device-bitmap")
    person.press(f"Relax in #{change}")
    expect(cell).to_have_accessible_name(re.compile("relaxed"))
    person.sees("Back to the default")


def declare_migrations(person: Person, change: int) -> None:
    person.open(f"/changes/{change}/?tab=trials")
    for number, (source, destination, machine_type, outcome, note) in enumerate(MIGRATIONS, 1):
        person.choose(From=source, To=destination)
        person.choose(Machine_type=machine_type, Promised_outcome=outcome)
        person.fill(Note=note)
        person.send("Declare")
        person.sees(note)
        expect(person.page.get_by_role("heading", name="Declared migrations")).to_contain_text(
            str(number)
        )
    person.picture("migrations")


def run_trials(person: Person, change: int) -> None:
    """With every device that both releases have: two trials find what nobody had in mind."""
    person.send("Run what is missing")
    stay(person)
    expect(person.row("debian 12", "debian 13", "differs")).to_have_count(2)
    expect(person.row("upstream 10.0", "debian 13", "as promised")).to_have_count(2)
    stayed(person)
    person.picture("trials-differ")


def find_what_cannot_go(person: Person, change: int) -> None:
    """QEMU 10.0's SCSI adapter sends a byte that 7.2 does not read. The policy leaves it out."""
    person.row("debian 12", "debian 13", "differs").first.get_by_role("link").last.click()
    person.sees("Missing section footer for pciespscsi")
    person.sees("esp.drq_state")
    person.picture("trial-refused")
    person.open(f"/changes/{change}/?tab=trials")
    person.fill(Device_types=DEVICES)
    person.send("Choose these")
    person.sees("what this policy answers for")
    person.send("Run what is missing")
    stay(person)
    expect(person.row("as promised")).to_have_count(len(MIGRATIONS))
    stayed(person)


def judge_the_findings(person: Person, change: int) -> None:
    """What the rules know of the arrays of 13 and 12, and why it may stay so for a while."""
    person.open(f"/changes/{change}/?tab=findings")
    person.sees("virtio-rng-pci.vectors")
    person.picture("findings")
    last = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()
    waive = person.page.locator("main summary").filter(has_text=re.compile(r"^\s*Waive\s*$"))
    assert waive.count() == 5, "README.md says how many there are"
    while waive.count():
        waive.first.click()
        person.page.get_by_label("Why it is acceptable").first.fill(
            "Debian 12 serves no virtio-rng on these machine types to anybody who upgrades live."
        )
        person.page.get_by_label("Last day").first.fill(last)
        person.send("Waive this finding")
    person.sees("No finding is in the way.")


def submit(person: Person, change: int) -> None:
    person.send("Submit for review")
    person.sees("in review")


def be_refused_to_approve(person: Person, change: int) -> None:
    """No button, and no way round the missing button."""
    person.sees_no_button("Approve")
    page = person.page
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    digest = page.locator("[name=digest]").first.input_value()
    answer = page.context.request.post(
        f"{person.url}/changes/{change}/approve/",
        form={"csrfmiddlewaretoken": token, "digest": digest},
        headers={"Referer": page.url},
    )
    assert answer.status == 403
    person.open(f"/changes/{change}/?tab=discussion")
    person.sees("in review")
    person.sees_no_button("Approve")


def approve(person: Person, change: int) -> None:
    person.open("/")
    person.follow(TITLE, where="aside")
    person.sees("Review it.")
    person.picture("review")
    person.fill(Comment="Compared with the release notes of QEMU 11.1.")
    person.send("Approve")
    person.sees("approved")
    person.sees("The present content is approved.")


def void_the_approval(person: Person, change: int) -> None:
    """The other board was forgotten. Whatever an edit changes, the approval is void."""
    person.open(f"/releases/debian/13/machine-types/pc-i440fx-9.2/?change={change}")
    person.fill(Device_type="tpm-crb", Property="cap-chunk", Value="off")
    person.press(f"Add to #{change}")
    expect(person.page.get_by_label("Value of tpm-crb.cap-chunk")).to_contain_text("off")
    person.open(f"/changes/{change}/?tab=trials")
    person.sees("in review")
    person.sees("Nobody has approved the present content.")
    # The trials were of the other board: what they depend on is as it was.
    expect(person.row("as promised")).to_have_count(len(MIGRATIONS))


def approve_again(person: Person, change: int) -> None:
    person.open(f"/changes/{change}/?tab=discussion")
    person.sees("in review")
    person.fill(Comment="Now both boards.")
    person.send("Approve")
    person.sees("The present content is approved.")
    person.open(f"/changes/{change}/?tab=discussion")
    person.picture("discussion")


def publish(person: Person, change: int) -> None:
    person.open(f"/changes/{change}/?tab=bundle")
    person.sees("pc-q35-7.2")
    person.picture("bundle-preview")
    person.send("Publish")
    person.sees("This is revision 1 of debian 13.")


def fetch(person: Person, folder: Path) -> Path:
    person.follow("To its bundle")
    person.sees("lockstep-debian-13-r1.tar.gz")
    path = person.download("Download", folder)
    person.picture("bundle")
    return path


def check_the_bundle(path: Path) -> None:
    """Its own checksums, its own verification, and the decisions in every format."""
    assert bundle.verify(path.read_bytes()) == []
    with tarfile.open(path) as archive:
        archive.extractall(path.parent, filter="data")
    folder = path.parent / "lockstep-debian-13-r1"
    subprocess.run(["sha256sum", "--check", "--strict", "MANIFEST.sha256"], cwd=folder, check=True)
    found = (path for path in folder.rglob("*") if path.is_file())
    files = {str(path.relative_to(folder)): path.read_text() for path in found}

    def exported(machine_type: str) -> list[str]:
        names = ("globals.args", "compat.cfg", "domain.xml")
        return [files[f"lockstep/machine-types/{machine_type}/{name}"] for name in names]

    for machine_type in ("pc-q35-9.2", "pc-q35-7.2", "pc-i440fx-7.2"):
        arguments, config, domain = exported(machine_type)
        assert "-global tpm-crb.cap-chunk=off" in arguments
        assert re.search(r'driver = "tpm-crb"\s+property = "cap-chunk"\s+value = "off"', config)
        assert '<qemu:arg value="tpm-crb.cap-chunk=off"/>' in domain
    newest = exported("pc-q35-10.0")[0]
    assert "tpm-crb.vmstate-blacklist-chunk=0x0" in newest
    assert "cap-chunk=off" not in newest
    manifest = json.loads(files["manifest.json"])
    assert manifest["base"]["release"] == "debian 13"
    assert files["TRIALS.md"].count("| correct |") >= 3


# --- The page that shows progress by itself -------------------------------------------------------


def stay(person: Person) -> None:
    person.page.evaluate("window.neverLoadedAgain = true")


def stayed(person: Person) -> None:
    assert person.page.evaluate("window.neverLoadedAgain") is True
