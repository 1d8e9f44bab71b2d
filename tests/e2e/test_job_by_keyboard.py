"""The main job once more, with the keyboard alone: three people, and nobody touches a mouse.

A stable release is new. Its maintainer opens the first change, takes a feature of QEMU 11.1, keeps
the hardware that guests know, allows guests that come without the feature, and has their migration
tried; a reviewer reads object by object, asks, and approves; the release manager publishes, and
takes the bundle home.

Whatever is pressed has the focus, and wherever the focus is, it can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from people import Person
from playwright.sync_api import Locator, expect

from policy.publishing import bundle

pytestmark = pytest.mark.browser

Come = Callable[..., Person]

VERSION = "10.0.1"
TITLE = "Clusters keep their disks, from the first day"
FEATURE = "SCSI persistent reservations move with the guest"
QUESTION = "Which guests come without it?"
#: So many stops of the Tab key are at most between two things that one does after each other.
FAR = 90
#: Where the focus is, whether that is wanted, and why it cannot be seen where it cannot.
_LOOK = """wanted => {
    const at = document.activeElement;
    const words = `${at.outerHTML.slice(0, 200)}`;
    const answer = problem => ({there: wanted.includes(at), problem: problem && problem + words});
    if (at === document.body) return answer("the focus is nowhere: ");
    const style = getComputedStyle(at);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
    if (!ring && style.boxShadow === "none") return answer("no ring: ");
    const [box] = at.getClientRects();
    const left = Math.max(box.left, 0) + 2, right = Math.min(box.right, innerWidth) - 2;
    const top = Math.max(box.top, 0) + 2, bottom = Math.min(box.bottom, innerHeight) - 2;
    const points = [[left, top], [right, bottom], [(left + right) / 2, (top + bottom) / 2]];
    const seen = points.map(([x, y]) => document.elementFromPoint(x, y))
        .some(hit => hit && (at.contains(hit) || hit.contains(at) && hit.matches("label, form")));
    return answer(seen ? "" : "covered: ");
}"""


class Hands:
    """Ten fingers on a person's keyboard."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.page = person.page
        self.keyboard = person.page.keyboard

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.keyboard.press(key)

    def role(self, role: str, name: str | re.Pattern[str]) -> Locator:
        exact = isinstance(name, str)
        return self.page.get_by_role(role, name=name, exact=exact)  # type: ignore[arg-type]

    def go_to(self, wanted: Locator, key: str = "Tab") -> None:
        """Press a key until it has the focus; every stop on the way is to be seen."""
        wanted = wanted.locator("visible=true")
        wanted.first.wait_for()
        if self.is_at(wanted):
            return
        for _ in range(FAR):
            self.keys(key)
            if self.is_seen(wanted):
                return
        raise AssertionError(f"{self.page.url}: {FAR} times {key}, and not at {wanted}")

    def is_at(self, wanted: Locator) -> bool:
        return bool(wanted.evaluate_all("all => all.includes(document.activeElement)"))

    def is_seen(self, wanted: Locator | None = None) -> bool:
        """Whether it has the focus, which is told from the rest and not covered by anything."""
        looked = (wanted or self.page.locator(":focus")).evaluate_all(_LOOK)
        assert not looked["problem"], f"{self.page.url}: {looked['problem']}"
        return bool(looked["there"])

    def to_the_content(self) -> None:
        """Past the navigation, as the page's first stop offers."""
        self.go_to(self.role("link", "Skip to the content"))
        self.keys("Enter")

    def press(self, role: str, name: str | re.Pattern[str]) -> None:
        self.go_to(self.role(role, name))
        self.keys("Enter")

    def follow(self, role: str, name: str | re.Pattern[str], key: str = "Tab") -> None:
        """Press what leads to another page; returns when that is there."""
        self.go_to(self.role(role, name), key)
        with self.page.expect_navigation():
            self.keys("Enter")

    def write(self, label: str, text: str) -> None:
        self.go_to(self.person.field(label))
        self.keys("Control+a")
        self.keyboard.type(text)

    def choose(self, label: str, option: str) -> None:
        """In a closed select the letters choose, as in every browser."""
        select = self.person.field(label)
        self.go_to(select)
        self.keyboard.type(option)
        expect(select.locator("option:checked")).to_have_text(option)


def test_the_job_by_keyboard(come: Come, tmp_path: Path) -> None:
    maintainer, reviewer, release = (
        Hands(come(name, reduced_motion="reduce")) for name in ("maintainer", "reviewer", "release")
    )
    make_the_release(maintainer)
    open_the_change(maintainer)
    take_the_backport(maintainer)
    add_the_machine_type(maintainer)
    keep_the_hardware(maintainer)
    relax_a_bit(maintainer)
    have_it_tried(maintainer)
    submit(maintainer)
    read_and_ask(reviewer)
    answer(maintainer)
    approve(reviewer)
    publish(release)
    path = take_home(release, tmp_path)
    assert bundle.verify(path.read_bytes()) == []


def make_the_release(hands: Hands) -> None:
    hands.keys("g", "r")
    hands.page.wait_for_url("**/releases/")
    hands.to_the_content()
    hands.follow("link", "New release")
    hands.choose("Tree", "upstream")
    hands.write("Version", VERSION)
    hands.choose("Base release", "upstream 10.0")
    hands.follow("button", "Create the release")
    hands.person.sees(f"upstream {VERSION} is here now.")


def open_the_change(hands: Hands) -> None:
    hands.to_the_content()
    hands.follow("link", "Start the policy")
    hands.write("Title", TITLE)
    hands.follow("button", "Open the change")
    hands.person.sees("draft")


def take_the_backport(hands: Hands) -> None:
    hands.follow("link", "Backport a feature")
    hands.go_to(hands.role("link", FEATURE), "j")
    with hands.page.expect_navigation():
        hands.keys("o")
    hands.write("Upstream commit", "scsi: save/load SCSI reservation state")
    hands.write("Tracker", "https://bugs.debian.org/src:qemu")
    hands.write("Justification", "Clusters lose their shared disk without it.")
    hands.follow("button", re.compile("^Save to #"))
    hands.person.sees(f"Backport {FEATURE}")


def add_the_machine_type(hands: Hands) -> None:
    """Below a list as long as its base's: there is a way past the rows."""
    hands.follow("link", "Machine types and compat properties")
    hands.press("link", "Past the rows")
    hands.write("Name", "pc-q35-10.0")
    hands.follow("button", re.compile("^Add to #"))


def keep_the_hardware(hands: Hands) -> None:
    """Offered words are taken with the arrows; a wrong value is told where it was typed."""
    hands.write("Device type", "virtio-iommu-pci")
    hands.write("Property", "aw-b")
    expect(hands.page.get_by_role("option", name="aw-bits")).to_be_visible()
    hands.keys("ArrowDown", "Enter")
    expect(hands.person.field("Property")).to_have_value("aw-bits")
    value = hands.person.field("Value")
    hands.write("Value", "many")
    with hands.person.expecting(422):
        hands.keys("Enter")
    expect(value).to_have_attribute("aria-invalid", "true")
    expect(value).to_be_focused()
    hands.write("Value", "39")
    hands.keys("Enter")
    entry = hands.page.get_by_label("Value of virtio-iommu-pci.aw-bits")
    expect(entry).to_contain_text("39")
    hands.is_seen()


def search(hands: Hands, label: str, words: str) -> None:
    """Type until one row is left; then the keys that move over rows are keys again."""
    hands.go_to(hands.role("searchbox", label))
    hands.keyboard.type(words)
    expect(hands.page.locator("[data-rows] > *")).to_have_count(1)
    hands.keys("Tab")


def relax_a_bit(hands: Hands) -> None:
    """Guests that were started before come without the state: let them."""
    back_to_the_change(hands)
    hands.follow("link", "Devices and blacklist bitmaps")
    search(hands, "Search devices", "scsi-block")
    hands.go_to(hands.role("link", "scsi-block"), "j")
    with hands.page.expect_navigation():
        hands.keys("o")
    absent = hands.page.get_by_role("link", name="scsi-disk/pr version 0")
    expect(absent).to_have_accessible_name(re.compile("blacklisted by default"))
    hands.go_to(hands.page.locator("[data-cell]"))
    for key in ("ArrowDown", "Home"):
        hands.keys(key)
        hands.is_seen()
    expect(absent).to_be_focused()
    hands.keys("Space")
    hands.person.sees("vmstate-blacklist-pr 0x1 → 0x0")
    expect(absent).to_be_focused()
    hands.write("Why may less than everything arrive?", "Started before: nothing to lose.")
    hands.keys("Tab", "ArrowDown")
    expect(hands.page.get_by_label("only on pc-q35-10.0")).to_be_checked()
    hands.press("button", re.compile("^Relax in #"))
    expect(absent).to_have_accessible_name(re.compile("relaxed"))
    expect(absent).to_be_focused()
    hands.is_seen()


def back_to_the_change(hands: Hands) -> None:
    """Letters are letters as long as one is in a field."""
    while hands.is_at(hands.page.locator("input, textarea")):
        hands.keys("Tab")
    with hands.page.expect_navigation():
        hands.keys("e")


def have_it_tried(hands: Hands) -> None:
    back_to_the_change(hands)
    hands.keys("]")
    hands.page.wait_for_url("**tab=findings")
    hands.keys("]")
    hands.page.wait_for_url("**tab=trials")
    hands.choose("From", "upstream 10.0")
    hands.choose("To", f"upstream {VERSION}")
    hands.choose("Machine type", "pc-q35-10.0")
    hands.write("Note", "Started before this update.")
    hands.follow("button", "Declare")
    hands.write("Device types", "mc146818rtc scsi-block")
    hands.follow("button", "Choose these")
    hands.follow("button", "Run what is missing", "Shift+Tab")
    expect(hands.person.row("upstream 10.0", "as promised")).to_have_count(1)


def submit(hands: Hands) -> None:
    hands.follow("button", "Submit for review")
    hands.person.sees("in review")


def to_whose_turn_it_is(hands: Hands) -> None:
    hands.keys("g", "y")
    hands.page.wait_for_url("**/your-turn/")
    hands.go_to(hands.page.get_by_role("main").get_by_role("link", name=TITLE), "j")
    with hands.page.expect_navigation():
        hands.keys("o")


def read_and_ask(hands: Hands) -> None:
    """Every object is read, and one of its lines is asked about."""
    to_whose_turn_it_is(hands)
    count = hands.page.locator("#read-count")
    total = int(count.inner_text().split()[2])
    for number in range(1, total + 1):
        hands.keys("n")
        hands.is_seen()
        if number == 1:
            hands.keys("c")
            expect(hands.page.get_by_label("Your question or objection")).to_be_focused()
            hands.keyboard.type(QUESTION)
            hands.keys("Control+Enter")
            expect(hands.page.locator("#drafts-waiting")).to_contain_text("1 draft")
            expect(hands.page.locator(".change-line:focus")).to_contain_text(QUESTION)
            hands.is_seen()
        hands.keys("r")
        expect(count).to_contain_text(f"{number} of {total} object")
        expect(hands.page.locator(":focus")).to_have_attribute("aria-pressed", "true")
        hands.is_seen()
    hands.keys("a")
    hands.is_seen()
    hands.follow("button", "Comment")
    hands.person.sees(QUESTION)


def answer(hands: Hands) -> None:
    """The author finds the change, says it in the thread, and settles it."""
    hands.keys("/")
    hands.is_seen()
    hands.keyboard.type(TITLE)
    hit = hands.page.get_by_role("option", name=TITLE).first
    hit.wait_for()
    while hit.get_attribute("aria-selected") != "true":
        hands.keys("ArrowDown")
    with hands.page.expect_navigation():
        hands.keys("Enter")
    hands.person.sees("in review")
    for tab in ("findings", "trials", "discussion"):
        hands.keys("]")
        hands.page.wait_for_url(f"**tab={tab}")
    hands.keys("n")
    hands.is_seen()
    hands.keys("a")
    expect(hands.page.get_by_label("Your reply")).to_be_focused()
    hands.keyboard.type("Those of a host that is upgraded under them.")
    hands.keys("Control+Enter")
    thread = hands.page.get_by_role("region", name=re.compile("^Thread"))
    expect(thread).to_contain_text("draft, only you see it")
    expect(thread).to_be_focused()
    hands.press("button", "Resolve")
    expect(thread).to_contain_text("resolved by maintainer")
    expect(thread).to_be_focused()
    hands.is_seen()
    hands.keys("a")
    hands.follow("button", "Comment")


def approve(hands: Hands) -> None:
    to_whose_turn_it_is(hands)
    hands.keys("a")
    hands.keyboard.type("Read all of it.")
    hands.follow("button", "Approve")
    hands.person.sees("Approved.")


def publish(hands: Hands) -> None:
    to_whose_turn_it_is(hands)
    hands.follow("button", "Publish")
    hands.person.sees(f"This is revision 1 of upstream {VERSION}.")


def take_home(hands: Hands, folder: Path) -> Path:
    hands.follow("link", "To its bundle")
    hands.go_to(hands.role("link", "Download"))
    with hands.page.expect_download() as caught:
        hands.keys("Enter")
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def test_letters_choose_and_enter_sends(come: Come) -> None:
    """On the way to an option one passes others: none of them is sent."""
    hands = Hands(come("reviewer", reduced_motion="reduce"))
    hands.person.open("/releases/rhel/9.3/devices/scsi-block/")
    hands.choose("machine type", "pc-q35-rhel8.4.0")
    assert "machine_type" not in hands.page.url
    expect(hands.page.locator("#announce")).to_have_text("Press Enter to show it.")
    with hands.page.expect_navigation():
        hands.keys("Enter")
    assert hands.page.url.endswith("machine_type=pc-q35-rhel8.4.0")
    hands.choose("machine type", "pc-q35-rhel8.6.0")
    hands.follow("button", "Show")
    assert hands.page.url.endswith("machine_type=pc-q35-rhel8.6.0")
