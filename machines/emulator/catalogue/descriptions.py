"""VMState descriptions in the form in which ``-dump-vmstate`` prints them, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machines.emulator.catalogue.checks import MAX_DRIVERS, expect, integer, name_text
from machines.emulator.catalogue.values import Description, Field

#: The description of the deepest real device nests 9 structures.
MAX_DESCRIPTION_DEPTH = 24
MAX_FIELDS = 200_000
MAX_VERSION = 2**31 - 1  # a C int


def parse_dump(document: Any) -> dict[str, Description]:
    """Driver → description, from the answer to ``-dump-vmstate``. Raises CatalogueError."""
    expect(isinstance(document, dict), "vmstate", "should be an object with an entry per device")
    expect(len(document) <= MAX_DRIVERS, "vmstate", f"has more than {MAX_DRIVERS} devices")
    described = {}
    for driver, entry in document.items():
        if driver == "vmschkmachine":  # names the machine that dumped, says nothing of devices
            continue
        place = f"vmstate.{name_text(driver, 'vmstate')}"
        expect(isinstance(entry, dict), place, "should be an object")
        if "Description" in entry:
            described[driver] = entry["Description"]
    return parse_descriptions(described, "vmstate")


def parse_descriptions(documents: Mapping[str, Any], place: str) -> dict[str, Description]:
    """Descriptions by driver, all of them within the limit on fields. Raises CatalogueError."""
    budget = [MAX_FIELDS]
    return {
        driver: _parse_description(document, f"{place}.{driver}", 0, budget)
        for driver, document in documents.items()
    }


def parse_description(document: Any, place: str) -> Description:
    """One description from its form in a dump. Raises :class:`CatalogueError`."""
    return _parse_description(document, place, 0, [MAX_FIELDS])


def _parse_description(document: Any, place: str, depth: int, budget: list[int]) -> Description:
    expect(depth <= MAX_DESCRIPTION_DEPTH, place, f"nests deeper than {MAX_DESCRIPTION_DEPTH}")
    expect(isinstance(document, dict), place, "should be a description object")
    fields = document.get("Fields", [])
    subsections = document.get("Subsections", [])
    expect(isinstance(fields, list), f"{place}.Fields", "should be a list")
    expect(isinstance(subsections, list), f"{place}.Subsections", "should be a list")
    budget[0] -= len(fields) + len(subsections)
    expect(budget[0] >= 0, place, f"the dump has more than {MAX_FIELDS} fields")
    version = integer(document.get("version_id", 0), f"{place}.version_id", high=MAX_VERSION)
    return Description(
        name=name_text(document.get("name"), f"{place}.name"),
        version_id=version,
        minimum_version_id=integer(
            document.get("minimum_version_id", 0), f"{place}.minimum_version_id", high=MAX_VERSION
        ),
        fields=tuple(
            _parse_field(entry, f"{place}.Fields[{number}]", depth, budget)
            for number, entry in enumerate(fields)
        ),
        subsections=tuple(
            _parse_description(entry, f"{place}.Subsections[{number}]", depth + 1, budget)
            for number, entry in enumerate(subsections)
        ),
    )


def _parse_field(document: Any, place: str, depth: int, budget: list[int]) -> Field:
    expect(isinstance(document, dict), place, "should be an object")
    conditional = document.get("field_exists", False)
    expect(isinstance(conditional, bool), f"{place}.field_exists", "should be true or false")
    count = document.get("num")
    struct = document.get("Description")
    return Field(
        name=name_text(document.get("field"), f"{place}.field"),
        size=integer(document.get("size", 0), f"{place}.size"),
        version_id=integer(document.get("version_id", 0), f"{place}.version_id", high=MAX_VERSION),
        count=None if count is None else integer(count, f"{place}.num"),
        conditional=conditional,
        struct=None
        if struct is None
        else _parse_description(struct, f"{place}.Description", depth + 1, budget),
    )


def description_to_json(description: Description) -> dict[str, Any]:
    """A description in the form of ``-dump-vmstate``: the opposite of :func:`parse_description`."""
    document: dict[str, Any] = {
        "name": description.name,
        "version_id": description.version_id,
        "minimum_version_id": description.minimum_version_id,
    }
    if description.fields:
        document["Fields"] = [_dump_field(item) for item in description.fields]
    if description.subsections:
        document["Subsections"] = [description_to_json(item) for item in description.subsections]
    return document


def _dump_field(item: Field) -> dict[str, Any]:
    document: dict[str, Any] = {"field": item.name, "size": item.size}
    if item.version_id:
        document["version_id"] = item.version_id
    if item.count is not None:
        document["num"] = item.count
    if item.conditional:
        document["field_exists"] = True
    if item.struct is not None:
        document["Description"] = description_to_json(item.struct)
    return document
