"""Two releases compared, a failure explained, mitigations searched for: as a maintainer does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from people import Person
from playwright.sync_api import expect

from tests.conftest import ROOT

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
WIDE = ROOT / "tests/data/streams/10.0/pc-q35-7.2/wide.mig.xz"
LOG = """\
qemu-kvm: get_pci_config_device: Bad config data: i=0x34 read: 0 device: 98 cmask: ff wmask: 0
qemu-kvm: Failed to load PCIDevice:config
qemu-kvm: Failed to load virtio-rng:virtio
qemu-kvm: error while loading state for instance 0x0 of device '0000:00:02.0/virtio-rng'
qemu-kvm: load of migration failed: Invalid argument
"""


def test_the_devices_of_a_stream_are_compared_and_filtered(come: Come) -> None:
    person = come("maintainer")
    person.open("/releases/upstream/10.0/")
    person.follow("Compare with another")
    person.choose(To="upstream 11.1")
    person.fill(Machine_type="pc-q35-7.2")
    person.field("or those of a stream").set_input_files(WIDE)
    person.send("Compare")
    person.sees("upstream 10.0 → upstream 11.1")
    expect(person.page.locator("details", has_text="device types were compared")).to_have_count(1)
    assert "e1000e" in person.page.url
    everything = person.page.locator(".comparison tbody tr").count()
    person.page.get_by_role("link", name="harmless").click()
    expect(person.page.get_by_role("link", name="Remove the filter grade")).to_be_visible()
    person.page.go_back()
    expect(person.page.locator(".comparison tbody tr")).to_have_count(everything)


def test_a_failure_is_explained_from_the_log(come: Come) -> None:
    person = come("maintainer")
    person.open("/explain/")
    person.choose(From="rhel 9.2", To="rhel 9.3")
    person.fill(Machine_type="pc-q35-rhel9.0.0")
    person.page.locator("textarea[name=log]").fill(LOG)
    person.send("Explain")
    person.sees("The hardware of 0000:00:02.0/virtio-rng differs")
    expect(person.row("virtio-rng-pci.vectors").first).to_contain_text("Add to #2 as a mitigation")


def test_a_worker_searches_for_mitigations(come: Come) -> None:
    person = come("maintainer")
    person.open("/trials/?outcome=refused")
    person.page.locator("[data-row-link]").first.click()
    person.sees("Compare the two releases")
    person.send("Suggest mitigations")
    expect(person.page.get_by_text("Searched with the draft of #2")).to_be_visible(timeout=120_000)
