"""A failed migration explained from the lines that QEMU printed, with or without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontend.cli import output
from frontend.cli.failures import DONE, NEGATIVE, InputFailed
from frontend.cli.main import Asked, Command
from frontend.cli.naming import END


@click.command("explain", cls=Command)
@click.argument("log", type=click.File("r", errors="replace"))
@click.option("--source", required=True, help="'rhel 9.2', change-7, or a folder of a catalogue.")
@click.option("--destination", required=True, help="The same.")
@click.option("--machine-type", "-M", default="", help="Needed with folders.")
@click.pass_obj
def explain_command(
    asked: Asked, log: Any, source: str, destination: str, machine_type: str
) -> int:
    """Explain what the destination's LOG says (- for standard input).

    Two folders of catalogue files need no server. Exit status 1 where nothing is explained.
    """
    text = log.read()
    if Path(source).is_dir() and Path(destination).is_dir():
        found = _offline(text, Path(source), Path(destination), machine_type)
    else:
        ends = {"source": source, "destination": destination}
        named = {name: END.convert(value, None, None) for name, value in ends.items()}
        pair = {**named, "machine_type": machine_type}
        found = asked.client.ask("explain/", {**pair, "log": text})
    if asked.json:
        output.as_json(found)
    else:
        for failure in found["failures"]:
            _tell(failure)
        if not found["failures"]:
            output.line("None of these lines says why a migration failed.")
    return DONE if found["failures"] else NEGATIVE


def _offline(text: str, source: Path, destination: Path, machine_type: str) -> dict[str, Any]:
    from policy.questions import explaining, qemu_log

    try:
        read = qemu_log.read_log(text)
    except qemu_log.LogError as error:
        raise InputFailed(str(error)) from error
    ends = _subject(source, machine_type), _subject(destination, machine_type)
    return {
        "source": str(source),
        "destination": str(destination),
        "machine_type": machine_type,
        "failures": [
            explaining.explain(failure, *ends, machine_type).to_json() for failure in read.failures
        ],
        "unknown": [{"number": number, "text": line} for number, line in read.unknown],
    }


def _subject(folder: Path, machine_type: str) -> Any:
    from machines.emulator.catalogue import CatalogueError
    from machines.parsing import parse_directory
    from policy.findings.releases import Subject

    try:
        catalogue = parse_directory(folder)
    except CatalogueError as error:
        raise InputFailed(str(error)) from error
    if machine_type not in catalogue.machine_types:
        names = ", ".join(sorted(catalogue.machine_types)[:8])
        raise InputFailed(f"{folder} has no machine type '{machine_type}': {names} …")
    return Subject(folder.name, None, catalogue)


def _tell(failure: dict[str, Any]) -> None:
    for item in failure["lines"]:
        output.line(f"{item['number']:>5}  {item['text']}")
    output.line(failure["text"])
    for cause in failure["causes"]:
        output.line(f"  {cause['property']}: {cause['text']}")
        for proposal in cause["proposals"]:
            output.line(f"    → {proposal}")
    for text in failure["differences"]:
        output.line(f"  {text}")
    if failure["candidates"]:
        output.line(f"  Such a thing is decided by: {', '.join(failure['candidates'])}")
    output.line()
