"""A section's layout as a backport brings it along, put into the description of a device. Pure.

A graft replaces the section of its path and keeps the subsections that it does not name itself.
One whose path does not exist yet becomes a subsection of the section that its path leads to: of
that section itself, or of the structure in its fields that the subsection's name begins with, as
its place in the stream is behind the fields of its owner.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from machines.emulator.catalogue import Description
from machines.emulator.catalogue.descriptions import parse_description
from machines.emulator.layout import described_sections, marked
from policy.document import Graft

_MARK = re.compile(r"#[0-9]+$")


def grafted(present: Description | None, graft: Graft) -> Description:
    """A device's description with the graft in it; ``present`` None: it had none so far."""
    new = parse_description(graft.description, f"graft of {graft.section}")
    parent = _MARK.sub("", graft.section).removesuffix(new.name).removesuffix("/")
    if not parent:
        return _with_subsections_of(present, new)
    # A section that nothing describes yet comes into being empty, to hold its subsection.
    main = present if present is not None else Description(parent, 1, 1)
    paths = {section.path for section in described_sections(main)}
    if graft.section in paths:
        return _replaced(main, main.name, graft.section, new)
    return _added(main, main.name, parent if parent in paths else main.name, new)


def _with_subsections_of(present: Description | None, new: Description) -> Description:
    """``new`` with the subsections that ``present`` has more, in its structures as well."""
    if present is None:
        return new
    named = {item.name for item in new.subsections}
    kept = (item for item in present.subsections if item.name not in named)
    structures = {item.name: item.struct for item in present.fields if item.struct is not None}
    fields = tuple(
        item
        if item.struct is None
        else replace(item, struct=_with_subsections_of(structures.get(item.name), item.struct))
        for item in new.fields
    )
    return replace(new, fields=fields, subsections=(*kept, *new.subsections))


def _replaced(section: Description, path: str, wanted: str, new: Description) -> Description:
    """The section with the subsection of the path ``wanted`` replaced."""

    def below(name: str, item: Description) -> Description:
        place = f"{path}/{name}"
        if place == wanted:
            return _with_subsections_of(item, new)
        return _replaced(item, place, wanted, new)

    return _mapped(section, below)


def _added(section: Description, path: str, parent: str, new: Description) -> Description:
    """The section with ``new`` as a further subsection of the one whose path is ``parent``."""
    if path != parent:
        return _mapped(section, lambda name, item: _added(item, f"{path}/{name}", parent, new))
    owner = new.name.rpartition("/")[0]
    in_structure = _in_structures(section, owner, new)
    if in_structure != section:
        return in_structure
    return replace(section, subsections=(*section.subsections, new))


def _mapped(
    description: Description, change: Callable[[str, Description], Description]
) -> Description:
    """Every subsection changed, those of nested structures too; ``change`` gets its marked name."""
    return replace(
        description,
        subsections=tuple(change(name, item) for name, item in marked(description.subsections)),
        fields=tuple(
            item if item.struct is None else replace(item, struct=_mapped(item.struct, change))
            for item in description.fields
        ),
    )


def _in_structures(description: Description, owner: str, new: Description) -> Description:
    """``new`` added to the first nested structure called ``owner``, the innermost of a nest."""
    fields = list(description.fields)
    for number, item in enumerate(fields):
        if item.struct is None:
            continue
        changed = _in_structures(item.struct, owner, new)
        if changed == item.struct and changed.name == owner:
            changed = replace(changed, subsections=(*changed.subsections, new))
        if changed != item.struct:
            fields[number] = replace(item, struct=changed)
            return replace(description, fields=tuple(fields))
    return description
