"""What a page and the API make of a wish to compare two releases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from frontend.names import newest_first
from frontend.questions.ends import End, end_of
from machines import streams
from machines.emulator.errors import StreamError
from machines.emulator.sent import drivers_of
from policy.errors import Invalid
from policy.questions import comparing
from policy.questions.comparing import Compared


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ends, the machine types that both have (the newest first), and the chosen one."""

    source: End
    destination: End
    machine_types: tuple[str, ...]
    machine_type: str

    def device_address(self, device: str) -> str:
        """A device's page in the release that loads, else in the one that saves; else empty."""
        for end in (self.destination, self.source):
            if device in end.state.catalogue.types or device in end.state.catalogue.descriptions:
                return end.address("device", device, machine_type=self.machine_type)
        return ""


def pair_of(user: Any, source: str, destination: str, machine_type: str) -> Pair:
    """The pair that the names stand for; the newest machine type where none is given.

    Raises :class:`Invalid` at the field that is at fault.
    """
    ends = end_of(user, source, "source"), end_of(user, destination, "destination")
    names = newest_first(comparing.shared_machine_types(ends[0].state, ends[1].state))
    if not names:
        text = _("%(source)s and %(destination)s have no machine type in common.")
        labels = {"source": ends[0].name, "destination": ends[1].name}
        raise Invalid(text % labels, field="destination")
    return Pair(*ends, names, machine_type or names[0])


def compared(pair: Pair, devices: Sequence[str]) -> Compared:
    """The comparison. Raises :class:`Invalid` at the field that is at fault."""
    return comparing.differences(
        pair.source.state, pair.destination.state, pair.machine_type, devices
    )


def devices_of(pair: Pair, content: bytes) -> list[str]:
    """The device types whose sections a stream holds, as the source knows them.

    Raises :class:`Invalid` where it cannot be read, or holds nothing that the source has.
    """
    try:
        sent = streams.read_sent(content)
    except StreamError as error:
        text = _("The stream cannot be read: %(problem)s")
        raise Invalid(text % {"problem": error}, field="stream") from error
    found = sorted(set(drivers_of(sent, pair.source.state.catalogue.descriptions)))
    if not found:
        text = _("No section of the stream is one of %(source)s.")
        raise Invalid(text % {"source": pair.source.name}, field="stream")
    return found
