"""A revision as its content tells of it, held against its own policy.

What is derived (the property sets) has to follow from what was decided: the compat entries from
the machine types, to the letter and in order; no bitmap may forbid what an override allows. Which
bits are set by *default* follows from the catalogue as well, which the revision only names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from machines.emulator import bitmap
from machines.emulator.catalogue import CompatProperty
from policy.document import DocumentError, Override, Policy, canonical, from_json
from policy.exporters import is_blacklist
from policy.exporters.c_array import Run


class BundleError(ValueError):
    """A bundle cannot be built from this revision, or a file is no bundle."""


Sets = Mapping[str, tuple[CompatProperty, ...]]


@dataclass(frozen=True, slots=True)
class Published:
    """``sets``: each machine type's properties in order; ``time`` (Unix): the last approval."""

    content: str
    policy: Policy
    derived: Mapping[str, Any]
    sets: Sets
    number: int
    published_at: str
    time: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def label(self) -> str:
        return f"{self.policy.label} revision {self.number}"

    @property
    def parents(self) -> list[str]:
        """Digests of the revisions that this one follows: none or one."""
        parent = self.derived["revision"].get("parent", "")
        return [parent] if parent else []

    def list(self, name: str) -> list[Any]:
        """A list of the derived part; empty where the revision has none of that name."""
        found = self.derived.get(name, [])
        if not isinstance(found, list):
            raise BundleError(f"the revision's {name} are no list")
        return found


def read(content: str) -> Published:
    """Read a revision's content. Raises :class:`BundleError` that names the fault."""
    try:
        content.encode()
        document = json.loads(content)
        policy, derived = from_json(document["policy"]), document["derived"]
        if canonical(document) != content:
            raise BundleError("the revision is not in canonical form")
        if place := next(_unknown(document["policy"], policy.to_json(), "policy"), ""):
            raise BundleError(f"{place}: its schema knows no such thing")
        published = Published(
            content=content,
            policy=policy,
            derived=derived,
            sets=_sets(derived),
            number=int(derived["revision"]["number"]),
            published_at=derived["revision"]["published_at"],
            time=max(_times(derived)),
        )
    except DocumentError as error:
        raise BundleError(f"the revision is at fault: {error}") from error
    except KeyError as error:
        raise BundleError(f"the revision has no {error}") from error
    except BundleError:
        raise
    except (AttributeError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BundleError(f"the revision is not readable: {error}") from error
    if problem := next(_not_following(published), ""):
        raise BundleError(f"the property sets do not follow from the policy: {problem}")
    return published


def _unknown(document: Any, known: Any, path: str) -> Iterator[str]:
    """Where a document holds what reading it has dropped."""
    if isinstance(document, dict) and isinstance(known, dict):
        for key, value in document.items():
            if key in known:
                yield from _unknown(value, known[key], f"{path}.{key}")
            elif value != []:  # an empty list may be told by leaving it out
                yield f"{path}.{key}"
    elif isinstance(document, list) and isinstance(known, list):
        for number, (item, other) in enumerate(zip(document, known, strict=True)):
            yield from _unknown(item, other, f"{path}[{number}]")
    elif document != known:
        yield path


def _sets(derived: Mapping[str, Any]) -> Sets:
    return {
        name: tuple(
            CompatProperty(*(_text(item[key]) for key in ("driver", "property", "value")))
            for item in listed
        )
        for name, listed in derived["properties"].items()
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a property's part is {value!r:.60}, which is no text")
    return value


def _times(derived: Mapping[str, Any]) -> Iterator[int]:
    approvals = [item["at"] for item in derived.get("approvals", ())]
    for text in approvals or [derived["revision"]["published_at"]]:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:  # it would be another moment on another machine
            raise ValueError(f"the time {text:.40} has no zone")
        yield int(time.timestamp())


# --- Does it follow? ------------------------------------------------------------------------------


def runs_of(policy: Policy, machine_type: str) -> list[Run]:
    """A machine type's compat entries by the array, or the machine type, that they come from."""
    runs: list[Run] = []
    for item in policy.lineage(machine_type):
        for entry in item.entries:
            origin = entry.array or item.name
            plain = CompatProperty(entry.driver, entry.property, entry.value)
            if runs and runs[-1].origin == origin:
                runs[-1] = Run(origin, (*runs[-1].entries, plain))
            else:
                runs.append(Run(origin, (plain,)))
    return runs


def _not_following(published: Published) -> Iterator[str]:
    policy, sets = published.policy, published.sets
    names = {item.name for item in policy.machine_types}
    for name in sorted(names ^ sets.keys()):
        yield f"'{name}' is a machine type of one of them only"
    for name in sorted(names & sets.keys()):
        entries = [entry for run in runs_of(policy, name) for entry in run.entries]
        listed, bitmaps = sets[name][: len(entries)], sets[name][len(entries) :]
        if list(listed) != entries or not all(map(is_blacklist, bitmaps)):
            yield f"{name} does not set what its machine types and their parents say"
        yield from _not_relaxed(policy, name, bitmaps)


def _not_relaxed(policy: Policy, name: str, bitmaps: tuple[CompatProperty, ...]) -> Iterator[str]:
    """A version that the policy allows, and a bitmap forbids.

    A tightened bit cannot be held against it: only the catalogue tells which versions there are.
    """
    texts = {(item.driver, item.property): item.value for item in bitmaps}
    for item in _relaxations(policy, name):
        section = item.section.partition("/")[0]
        key = (item.device, bitmap.property_name(section, item.section))
        try:
            if item.version in bitmap.parse(texts.get(key, "")):
                yield f"{name}: {item.device}.{key[1]} forbids version {item.version}"
        except bitmap.BitmapError as error:
            yield f"{name}: {item.device}.{key[1]}: {error}"


def _relaxations(policy: Policy, machine_type: str) -> list[Override]:
    """Those that nothing overrides again on this machine type."""
    here = [item for item in policy.overrides if item.machine_type in ("", machine_type)]
    forbidden = {(item.section, item.version) for item in here if item.action == "tighten"}
    return [
        item
        for item in here
        if item.action == "relax" and (item.section, item.version) not in forbidden
    ]
