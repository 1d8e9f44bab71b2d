"""Migration, and the versions in which sections are written (QEMU's qapi/migration.json).

``set-savevm-version`` is this project's own: what the source of a stream has to be told, as
nothing travels back to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from machines.emulator.monitor.arguments import (
    anything,
    each,
    record,
    switch,
    table,
    text,
    whole,
    word,
)
from machines.emulator.monitor.channel import Address, parse_channels, parse_uri
from machines.emulator.monitor.commands import command
from machines.emulator.monitor.commands.objects import device
from machines.emulator.monitor.migrations import IN_PROGRESS
from machines.emulator.monitor.protocol import QmpError

if TYPE_CHECKING:
    from machines.emulator.monitor.process import Process

CHANNELS = each(record({"channel-type": word(("main",)), "addr": table(anything)}))
CAPABILITIES = ("events",)
_STATES = each(record({"capability": word(CAPABILITIES), "state": switch}))


def _address(arguments: Mapping[str, Any]) -> Address:
    """Where to, by ``uri`` or ``channels``. Raises :class:`QmpError` or ``ChannelError``."""
    if ("uri" in arguments) == ("channels" in arguments):
        raise QmpError("need either 'uri' or 'channels' argument")
    if "uri" in arguments:
        return parse_uri(arguments["uri"])
    return parse_channels(arguments["channels"])


@command("migrate", {"*uri": text, "*channels": CHANNELS, "*detach": switch, "*resume": switch})
def migrate(process: Process, arguments: Mapping[str, Any]) -> Any:
    """Begin; :func:`query_migrate` and events tell how it goes on."""
    if arguments.get("resume"):
        raise QmpError("Cannot resume if there is no paused migration")
    process.migrations.outgoing.start(_address(arguments))
    return {}


@command("migrate-incoming", {"*uri": text, "*channels": CHANNELS, "*exit-on-error": switch})
def migrate_incoming(process: Process, arguments: Mapping[str, Any]) -> Any:
    """Wait for a source, after ``-incoming defer``. Without ``exit-on-error`` the process stays
    where the stream is refused, tells the reason in ``query-migrate``, and may be asked again."""
    process.require_waiting()
    process.receive(_address(arguments), ends_on_error=arguments.get("exit-on-error", True))
    return {}


@command("migrate_cancel")
def migrate_cancel(process: Process, arguments: Mapping[str, Any]) -> Any:
    process.migrations.outgoing.cancel()
    return {}


@command("query-migrate")
def query_migrate(process: Process, arguments: Mapping[str, Any]) -> Any:
    return process.migrations.query()


@command("query-migrate-capabilities")
def query_migrate_capabilities(process: Process, arguments: Mapping[str, Any]) -> Any:
    return [{"capability": name, "state": process.migrations.has_events} for name in CAPABILITIES]


@command("migrate-set-capabilities", {"capabilities": _STATES})
def migrate_set_capabilities(process: Process, arguments: Mapping[str, Any]) -> Any:
    """``events`` is the one there is."""
    process.migrations.require_idle()
    for item in arguments["capabilities"]:
        process.migrations.has_events = item["state"]
    return {}


@command("query-migrate-parameters")
def query_migrate_parameters(process: Process, arguments: Mapping[str, Any]) -> Any:
    return {"max-bandwidth": process.migrations.max_bandwidth}


@command("migrate-set-parameters", {"*max-bandwidth": whole})
def migrate_set_parameters(process: Process, arguments: Mapping[str, Any]) -> Any:
    """``max-bandwidth`` in bytes a second; may be changed on the way."""
    if arguments.get("max-bandwidth") == 0:
        raise QmpError("Parameter 'max-bandwidth' expects an integer above 0")
    process.migrations.max_bandwidth = arguments.get(
        "max-bandwidth", process.migrations.max_bandwidth
    )
    return {}


@command(
    "set-savevm-version",
    {"device": text, "*section": text, "version": whole, "*force": switch},
)
def set_savevm_version(process: Process, arguments: Mapping[str, Any]) -> Any:
    """Choose the version in which a section of a device is written from now on.

    ``device`` is an id or a QOM path, ``section`` a section's name or path, the main one where it
    is missing; version 0 leaves an optional section out. A version that is blacklisted or out of
    range is refused. With ``force`` it is taken, and the answer and the migration say what was
    overridden.
    """
    if process.migrations.is_under_way and process.machine.status != "inmigrate":
        raise QmpError(IN_PROGRESS)
    overridden = process.machine.set_savevm_version(
        device(process, arguments["device"]),
        arguments.get("section"),
        arguments["version"],
        force=arguments.get("force", False),
    )
    return {"forced": overridden} if overridden else {}
