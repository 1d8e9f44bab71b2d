#!/usr/bin/env python3
"""A binary that answers as QEMU does over QMP, and breaks where a test wants it to.

Its drivers are named after what happens when their properties are asked for. ``FAKE_QEMU`` in the
environment makes all of it break in one way.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

DRIVERS = ["aborts", "exits", "good", "refuses", "also-good"]
WAY = os.environ.get("FAKE_QEMU", "")


def say(message: object) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201


def properties(driver: str) -> object:
    if driver == "aborts" or WAY == "aborts-always":
        sys.stderr.write("qemu: fatal: missing object type\n")
        os.kill(os.getpid(), signal.SIGABRT)
    if driver == "exits":
        sys.exit(1)
    if driver == "refuses":
        return {"error": {"class": "DeviceNotFound", "desc": "no such device"}}
    return {"return": [{"name": "x", "type": "bool", "default-value": True}]}


def answer(command: str, arguments: dict) -> object:
    if command == "query-version":
        return {"return": {"qemu": {"major": 9, "minor": 0, "micro": 1}, "package": "fake"}}
    if command == "query-machines":
        if arguments:
            return {"error": {"class": "GenericError", "desc": "'compat-props' is unexpected"}}
        return {"return": [{"name": "pc-q35-9.0", "is-default": True}]}
    if command == "qom-list-types":
        listed = [{"name": name, "parent": "device"} for name in DRIVERS]
        return {"return": [*listed, {"name": "device", "abstract": True}]}
    if command == "device-list-properties":
        return properties(arguments["typename"])
    return {"return": {}}


def main(arguments: list[str]) -> None:
    if WAY == "no-accelerator" and "-accel" in arguments:
        sys.exit("qemu: invalid accelerator tcg")
    if "-dump-vmstate" in arguments:
        target = Path(arguments[arguments.index("-dump-vmstate") + 1])
        section = {"name": "good", "version_id": 1, "minimum_version_id": 1}
        target.write_text(json.dumps({"good": {"Description": section}}))
        return
    if WAY == "silent":
        time.sleep(60)
    print("warning: this line is no JSON")  # noqa: T201
    say({"QMP": {"version": {}}})
    for line in sys.stdin:
        request = json.loads(line)
        say({"event": "NOBODY_ASKED"})
        say(answer(request["execute"], request.get("arguments", {})))


main(sys.argv[1:])
