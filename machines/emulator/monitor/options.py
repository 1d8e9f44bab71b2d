"""The options of a running machine, in QEMU's notation: ``-device``, ``-global``, ``-qmp``, ``-M``.

Commas separate; a comma inside a value is doubled (QEMU's util/keyval.c). What is wrong is an
:class:`OptionError` that quotes the option.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machines.emulator.catalogue import Catalogue
from machines.emulator.errors import EmulatorError
from machines.emulator.features import Carrier, FeatureSpec, Gate
from machines.emulator.monitor.channel import Address, ChannelError, parse_inet
from machines.emulator.qdev import Global
from machines.emulator.running import DeviceOption
from machines.emulator.side import SectionKey

MAX_OPTION = 200_000
MAX_SIDE_FILE = 16 * 2**20


class OptionError(EmulatorError):
    """An option of the command line is at fault."""


# --- KEY=VALUE,… ----------------------------------------------------------------------------------


def pairs(option: str, text: str, implied: str) -> list[tuple[str, str]]:
    """The pairs of an option; a first part without ``=`` is the value of ``implied``.

    >>> pairs("-device", "foo,id=a,name=x,,y,on", "driver")
    [('driver', 'foo'), ('id', 'a'), ('name', 'x,y'), ('on', 'on')]
    """
    if len(text) > MAX_OPTION:
        raise OptionError(f"{option}: has more than {MAX_OPTION} characters")
    found = []
    for number, part in enumerate(text.replace(",,", "\0").split(",")):
        name, equals, value = part.replace("\0", ",").partition("=")
        if not equals and number == 0 and implied:
            name, value = implied, name
        elif not equals:
            value = "on"  # QEMU's short form of a switch
        found.append((name, value))
    return found


# --- -device, -global, -M -------------------------------------------------------------------------


def device(text: str) -> DeviceOption:
    """``DRIVER[,id=ID][,PROPERTY=VALUE…]``, or the same as a JSON object."""
    option = f"-device {text:.200}"
    given = _from_json(option, text) if text.startswith("{") else pairs("-device", text, "driver")
    told = dict(given)
    if not told.get("driver"):
        raise OptionError(f"{option}: Parameter 'driver' is missing")
    properties = [(name, value) for name, value in given if name not in ("driver", "id", "bus")]
    return DeviceOption(told["driver"], told.get("id", ""), tuple(properties))


def _from_json(option: str, text: str) -> list[tuple[str, str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{option}: is not JSON") from error
    found = []
    for name, value in document.items():
        if isinstance(value, bool):
            value = "on" if value else "off"
        if not isinstance(value, str | int):
            raise OptionError(f"{option}: Invalid parameter type for '{name}'")
        found.append((name, str(value)))
    return found


def global_property(text: str) -> Global:
    """``DRIVER.PROPERTY=VALUE``, or ``driver=…,property=…,value=…`` where a name has a dot."""
    name, equals, value = text.partition("=")
    driver, dot, prop = name.partition(".")
    if equals and dot and driver and prop and len(text) <= MAX_OPTION:
        return Global(driver, prop, value, "user", "-global")
    told = dict(pairs("-global", text, ""))
    if set(told) != {"driver", "property", "value"}:
        raise OptionError(f"-global {text:.200}: should be DRIVER.PROPERTY=VALUE")
    return Global(told["driver"], told["property"], told["value"], "user", "-global")


def machine_type(catalogue: Catalogue, name: str) -> str:
    """The machine type of that name or alias. Raises :class:`OptionError`."""
    if name in catalogue.machine_types:
        return name
    for machine in catalogue.machine_types.values():
        if machine.alias == name:
            return machine.name
    raise OptionError(f"-M {name:.200}: unsupported machine type")


# --- -qmp -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MonitorAddress:
    """Where the monitor is: a socket, or with None standard input and output.

    ``listens``: it waits there for clients, else it goes there itself. ``holds``: the machine
    waits for the first client.
    """

    address: Address | None
    listens: bool = True
    holds: bool = False


def monitor(text: str) -> MonitorAddress:
    """``unix:PATH``, ``tcp:HOST:PORT``, each with ``server=`` and ``wait=``, or ``stdio``.

    Unlike in QEMU ``server=on,wait=off`` need not be said.
    """
    if text == "stdio":
        return MonitorAddress(None)
    place, comma, rest = text.partition(",")
    switches = {"server": True, "wait": False}
    for name, value in pairs("-qmp", rest, "") if comma else ():
        if name not in switches or value not in ("on", "off"):
            raise OptionError(f"-qmp {text:.200}: takes server=on|off and wait=on|off")
        switches[name] = value == "on"
    return MonitorAddress(_monitor_socket(text, place), switches["server"], switches["wait"])


def _monitor_socket(text: str, place: str) -> Address:
    kind, _, rest = place.partition(":")
    if kind == "unix" and rest and "\0" not in rest:
        return Address("unix", rest)
    if kind == "tcp":
        try:
            return parse_inet(rest)
        except ChannelError as error:
            raise OptionError(f"-qmp {text:.200}: {error}") from error
    raise OptionError(f"-qmp {text:.200}: should be unix:PATH, tcp:HOST:PORT or stdio")


# --- A side of a trial ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SideFile:
    """What a policy says of a machine beyond its properties.

    ``instances``: a device's id → the number of its section, where another side's devices decide
    that too.
    """

    features: tuple[FeatureSpec, ...] = ()
    savevm_versions: Mapping[SectionKey, tuple[int, bool]] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The content of the file that :func:`read_side` reads."""
        return {
            "features": [_feature_to_json(item) for item in self.features],
            "savevm-versions": [
                {"device": key[0], "section": key[1], "version": told[0], "force": told[1]}
                for key, told in self.savevm_versions.items()
            ],
            "instances": dict(self.instances),
        }


def _feature_to_json(item: FeatureSpec) -> dict[str, Any]:
    gate = item.gate
    return {
        "slug": item.slug,
        "device": item.device,
        "gate": None if gate is None else [gate.driver, gate.property, gate.on],
        "carriers": [
            {
                "section": carrier.section,
                "version": carrier.version,
                "fields": list(carrier.fields),
                "subsection": carrier.subsection,
            }
            for carrier in item.carriers
        ],
    }


def read_side(path: Path) -> SideFile:
    """``--side FILE``: JSON with ``features`` and ``savevm-versions``. :class:`OptionError`."""
    if path.stat().st_size > MAX_SIDE_FILE:
        raise OptionError(f"{path}: is larger than {MAX_SIDE_FILE} bytes")
    try:
        document = json.loads(path.read_bytes())
        return SideFile(
            tuple(_feature(item) for item in document.get("features", ())),
            dict(_told(document.get("savevm-versions", ()))),
            {str(name): int(number) for name, number in document.get("instances", {}).items()},
        )
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"{path}: is not the description of a side ({error!r:.200})") from error


def _told(entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[SectionKey, tuple[int, bool]]]:
    for item in entries:
        yield (str(item["device"]), item["section"]), (int(item["version"]), bool(item["force"]))


def _feature(item: Mapping[str, Any]) -> FeatureSpec:
    gate = item["gate"]
    return FeatureSpec(
        slug=str(item["slug"]),
        title=str(item["slug"]),
        device=str(item["device"]),
        carriers=tuple(
            Carrier(
                str(carrier["section"]),
                carrier["version"],
                tuple(map(str, carrier["fields"])),
                bool(carrier["subsection"]),
            )
            for carrier in item["carriers"]
        ),
        gate=None if gate is None else Gate(*map(str, gate)),
    )
