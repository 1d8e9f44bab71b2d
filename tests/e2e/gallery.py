"""Every page that a person opens, by name, for the pictures that ``make screenshots`` takes.

``PAGES`` are the addresses of the sample's story. ``arranged`` brings about what that story lacks,
as people do it in their browser. ``STEPS`` lead to pages that have no address of their own.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

from django.template.loader import render_to_string
from people import Person
from playwright.sync_api import Page, expect
from test_merge_in_browser import OPEN, add

from tests.conftest import LiveStack

Come = Callable[..., Person]
Step = Callable[[Person], None]

STREAM = Path(__file__).resolve().parents[2] / "tests/data/streams/10.0/pc-q35-7.2/serial.mig.xz"
RELEASE = "/releases/rhel/9.3/"
MACHINE_TYPE, DEVICE = f"{RELEASE}machine-types/pc-q35-rhel9.2.0/", f"{RELEASE}devices/scsi-block/"
CHANGE, PR = "/changes/2/", "scsi-disk/scsi-disk/pr"
WEBHOOKS = "/trees/rhel/webhooks/"
LOG = """\
qemu-kvm: Missing section footer for 0000:00:01.3/piix4_pm
qemu-kvm: load of migration failed: Invalid argument
"""
#: Somebody who administers: webhooks, and the administration site
KEEPER = """
from django.contrib.auth.models import User
person, _ = User.objects.get_or_create(username="keeper", is_superuser=True)
person.set_password("kept by the keeper")
person.save()
"""
#: What becomes revision 2 of RHEL 9.2
SECOND = """
from django.contrib.auth.models import User
from machines.models import Release
from policy import edits
from policy.review import workflow

release = Release.objects.get(tree__name="rhel", version="9.2")
author = User.objects.get(username="maintainer")
change = edits.open_change(release, author, "Serial ports keep their FIFO control register")
change = edits.set_override(
    change, author, change.lock_version, "isa-serial", "serial", 2, "tighten",
    "Version 2 leaves the FIFO control register out, and no release that comes here writes it.",
    "pc-q35-rhel9.2.0",
)
change = edits.add_mitigation(
    change, author, change.lock_version, "rhel 8.9", "pc-q35-rhel8.6.0",
    [("virtio-mem", "unplugged-inaccessible", "auto")],
    "Guests of 8.9 started with its default; the arrays of 9.2 switch it off.",
    "the guest is powered off",
)
print(workflow.submit(change, author).pk)
"""

#: Name → address
PAGES = {
    "overview": "/",
    "your-turn": "/your-turn/",
    "releases": "/releases/",
    "release": "/releases/rhel/9.2/",
    "release-without-policy": "/releases/upstream/11.1/",
    "release-not-imported": "/releases/upstream/8.0/",
    "release-new": "/releases/new/",
    "tree": "/trees/rhel/",
    "machine-types": f"{RELEASE}machine-types/",
    "machine-types-empty": f"{RELEASE}machine-types/?q=toaster",
    "machine-type": MACHINE_TYPE,
    "machine-type-edited": f"{MACHINE_TYPE}?change=2&edit=0",
    "machine-type-difference": f"{MACHINE_TYPE}?change=2&view=difference&beside=rhel+9.2",
    "devices": f"{RELEASE}devices/",
    "device": f"{DEVICE}?change=2&section={PR}&version=0",
    "device-toggled": f"{DEVICE}?change=2&section={PR}&version=1&flip={PR}:1",
    "device-beside": "/releases/upstream/11.1/devices/virtio-net-device/?beside=upstream+7.2",
    "changes": "/changes/",
    "change-new": "/changes/new/",
    "change": CHANGE,
    "change-findings": f"{CHANGE}?tab=findings",
    "change-trials": f"{CHANGE}?tab=trials",
    "change-discussion": f"{CHANGE}?tab=discussion",
    "change-history": f"{CHANGE}?tab=history",
    "change-bundle": f"{CHANGE}?tab=bundle",
    "change-bundle-file": f"{CHANGE}?tab=bundle&file=policy.yaml",
    "change-published": "/changes/1/",
    "change-policy-import": f"{CHANGE}import/",
    "features": "/features/",
    "feature": "/features/scsi-persistent-reservations/",
    "proposals-empty": "/features/proposals/",
    "backport-1-feature": f"{CHANGE}backport/",
    "backport-2-target": "/features/scsi-persistent-reservations/backport/",
    "backport-3-consequences": f"{CHANGE}backport/?feature=scsi-persistent-reservations",
    "trials": "/trials/",
    "trial": "/trials/1/",
    "trial-rules": "/trials/rules/",
    "matrix": "/trials/matrix/?tree=rhel&machine_type=all",
    "matrix-change": "/trials/matrix/?tree=rhel&machine_type=pc-q35-rhel8.6.0&change=2",
    "compare-empty": "/compare/",
    "compare": "/compare/?source=upstream+7.2&destination=upstream+11.1&machine_type=pc-q35-7.2",
    "explain-empty": "/explain/",
    "streams-empty": "/streams/",
    "bundles": "/bundles/",
    "release-bundles": "/bundles/rhel/9.2/",
    "bundle": "/bundles/rhel/9.2/r1/",
    "imports": "/imports/",
    "import-new": "/imports/new/",
    "jobs": "/jobs/",
    "job": "/jobs/1/",
    "audit": "/audit/",
    "settings": "/accounts/settings/",
    "mails": "/accounts/mails/",
    "tokens-empty": "/accounts/tokens/",
    "password": "/accounts/password/",
    "person": "/people/maintainer/",
    "search": "/search/?q=scsi",
    "search-empty": "/search/?q=toaster",
    "shortcuts": "/shortcuts/",
    "api": "/api/",
    # Only where LOCKSTEP_COMPONENTS is set, as it is where the pictures are taken
    "components": "/components/",
}
#: Those that administrators alone open
ADMINISTRATION = {
    "admin": "/admin/",
    "admin-people": "/admin/auth/user/",
    "admin-person": "/admin/auth/user/1/change/",
    "admin-roles": "/admin/policy/membership/",
    "tree-administered": "/trees/rhel/",
    "webhooks-empty": WEBHOOKS,
}


def arranged(come: Come, live_stack: LiveStack) -> dict[str, str]:
    """What the sample's story lacks, brought about; returns name → address."""
    return {
        **_second_revision(come, live_stack),
        "merge": _merge(come, live_stack),
        "stream": _stream(come("maintainer")),
        "trial-stream": _stream_of_a_trial(come("maintainer")),
    }


def keeper(person: Person) -> None:
    """Sign an administrator in."""
    person.sign_in("keeper", "kept by the keeper")


def webhooks(come: Come) -> dict[str, str]:
    """A webhook that was added; returns name → address."""
    person = come()
    keeper(person)
    person.open(WEBHOOKS)
    person.page.locator("input[name=url]").fill("https://build.example.org/lockstep")
    person.page.locator("main input[type=checkbox]").first.check()
    person.send("Add")
    person.open(WEBHOOKS)
    person.follow("build.example.org")
    person.sees("Deliveries")
    return {"webhooks": WEBHOOKS, "webhook": person.page.url.removeprefix(person.url)}


def _second_revision(come: Come, live_stack: LiveStack) -> dict[str, str]:
    change = live_stack.manage("shell", "-v0", "-c", SECOND).strip()
    reviewer, release = come("reviewer"), come("release")
    reviewer.open(f"/changes/{change}/")
    reviewer.sees("No required trial is in the way.")
    reviewer.send("Approve")
    reviewer.sees("The present content is approved.")
    release.open(f"/changes/{change}/")
    release.send("Publish")
    release.follow("To its bundle")
    release.sees("lockstep-rhel-9.2-r2.tar.gz")
    return {
        "revisions": "/releases/rhel/9.2/revisions/?from=1&to=2",
        "bundles-compared": "/bundles/rhel/9.2/compare/?from=1&to=2",
    }


def _merge(come: Come, live_stack: LiveStack) -> str:
    change = live_stack.manage("shell", "-v0", "-c", OPEN).strip()
    first, second = come("maintainer"), come("maintainer")
    for person in (first, second):
        person.open(f"{MACHINE_TYPE}?change={change}")
    add(first, "128")
    expect(first.page.get_by_label("Value of virtio-blk-pci.queue-size")).to_contain_text("128")
    add(second, "256")
    second.sees("Merge your edit")
    # The page stands under its own address, so that it can be left and come back to.
    second.open(f"/changes/{change}/")
    second.follow("Choose what stays")
    second.sees("Merge your edit")
    return second.page.url.removeprefix(second.url)


def _stream(person: Person) -> str:
    person.open("/streams/")
    person.page.locator("input[type=file]").set_input_files(STREAM)
    person.send("Upload and read")
    person.sees("Sections")
    found = re.search(r"/streams/\d+/", person.page.url)
    assert found
    person.page.locator("[name=into]").select_option(label="upstream 11.1")
    person.press("Judge")
    expect(person.page.locator("#answers")).to_contain_text("accepted")
    return f"{found[0]}?at=824"


def _stream_of_a_trial(person: Person) -> str:
    person.open("/trials/1/stream/")
    person.press("Make the stream again")
    person.sees("as rhel")
    return "/trials/1/stream/?device=isa-serial&field=state.lcr"


# --- Pages that have no address of their own ------------------------------------------------------


def _proposals(person: Person) -> None:
    person.open("/features/proposals/")
    person.page.locator("[name=old]").select_option(label="upstream 10.0")
    person.page.locator("[name=new]").select_option(label="upstream 11.1")
    person.send("Compare")


def _backport_proposals(person: Person) -> None:
    person.open(f"{CHANGE}backport/")
    person.choose(Without_the_feature="upstream 10.0", With_the_feature="upstream 11.1")
    person.fill(Device_or_feature="tpm")
    person.send("Compare")
    person.sees("tpm-crb has a new subsection")


def _explained(person: Person) -> None:
    person.open("/explain/")
    person.choose(From="rhel 9.2", To="rhel 9.3")
    person.page.locator("textarea[name=log]").fill(LOG)
    person.send("Explain")


def _bulk(person: Person) -> None:
    person.open(f"{RELEASE}machine-types/?q=q35")
    person.page.get_by_label("All that fit").check()
    person.press("Change a property")
    person.fill(Device_type="virtio-rng-pci", Property="vectors", Value="many")
    person.fill(Title_of_a_new_one="Tried only")
    person.page.keyboard.press("Escape")
    person.press("Try it with every row")
    person.sees("Nothing can be done.")


def _token(person: Person) -> None:
    person.open("/accounts/tokens/")
    person.fill(Name="package build")
    person.send("Issue")


def _filters(person: Person) -> None:
    person.open("/trials/")
    person.page.locator(".filter-panel > summary").click()


def _search_box(person: Person) -> None:
    person.open("/")
    person.page.get_by_role("combobox", name="Search everything").fill("scsi-b")
    person.page.get_by_role("option").first.wait_for()


def _not_found(person: Person) -> None:
    with person.expecting(404):
        person.open("/nowhere/")


def _forbidden(person: Person) -> None:
    with person.expecting(403):
        person.open(WEBHOOKS)


def _failed(person: Person) -> None:
    """The page for a fault of ours, which no address brings about."""
    address = f"{person.url}/failed/"
    body = render_to_string("500.html")
    person.page.route(
        address, lambda route: route.fulfill(status=500, content_type="text/html", body=body)
    )
    with person.expecting(500):
        person.page.goto(address)


STEPS: dict[str, Step] = {
    "proposals": _proposals,
    "backport-1-proposals": _backport_proposals,
    "explain": _explained,
    "bulk-tried": _bulk,
    "trials-filtered": _filters,
    "search-box": _search_box,
    "not-found": _not_found,
    "forbidden": _forbidden,
    "failed": _failed,
}
#: After them a page is no longer empty.
LAST: dict[str, Step] = {"token-issued": _token}


def _sign_in_page(person: Person) -> None:
    person.open("/accounts/login/")


def _locked_out(person: Person) -> None:
    """Too many wrong passwords, of a name that nobody has."""
    with person.expecting(429):
        for _ in range(9):
            person.open("/accounts/login/")
            person.page.locator("[name=username]").fill("nobody-at-all")
            person.page.locator("[name=password]").fill("wrong")
            person.send("Sign in")


STRANGERS: dict[str, Step] = {"sign-in": _sign_in_page, "locked-out": _locked_out}

#: How much of a page is on its picture, in CSS pixels
LOWEST, TALLEST = 800, 2400
#: How often a page is measured: what takes a part of the screen's height grows with the screen.
ROUNDS = 8


def webp(page: Page) -> bytes:
    """The page from its top, on a screen as high as it is, as a small picture."""
    page.wait_for_load_state("networkidle")
    width = page.evaluate("innerWidth")
    _fit(page, width)
    page.evaluate("scrollTo(0, 0)")
    session = page.context.new_cdp_session(page)
    wanted = {"format": "webp", "quality": 45}
    data = session.send("Page.captureScreenshot", wanted)["data"]
    session.detach()
    page.set_viewport_size({"width": width, "height": LOWEST})
    return base64.b64decode(data)


def _fit(page: Page, width: int) -> None:
    height = 0
    for _ in range(ROUNDS):
        reached = page.evaluate("document.documentElement.scrollHeight")
        wanted = max(LOWEST, min(reached, TALLEST))
        if wanted == height:
            break
        height = wanted
        page.set_viewport_size({"width": width, "height": height})
