"""Parsing of untrusted catalogue files in a child process, with limits on memory and time.

The parent writes the files into a folder of their own and starts ``python -m machines.parsing``
there (:mod:`machines.confined`). The child parses, and writes the catalogue's stored form
(:func:`machines.emulator.catalogue.stored.dump`) or what is wrong with the files. Whatever a file
does to the child, the parent gets a catalogue or a :class:`CatalogueError`.

    catalogue = parse({"vmstate.json.xz": content, "machine.c": source})

Neither side imports Django.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from machines import confined
from machines.c_arrays import SUFFIXES, parse_arrays, to_document
from machines.confined import STATUS_INPUT, Limits, limit_self
from machines.emulator.catalogue import Catalogue, CatalogueError
from machines.emulator.catalogue.answers import parse as parse_documents
from machines.emulator.catalogue.files import FILE_NAMES, MAX_FILE_BYTES, load_json, unpack
from machines.emulator.catalogue.stored import dump, load

MAX_FILES = 64
MAX_TOTAL_BYTES = 128 * 1024 * 1024


# --- Parent ---------------------------------------------------------------------------------------


def parse_directory(directory: Path, limits: Limits | None = None) -> Catalogue:
    """The catalogue of a folder: what of it is a catalogue file or a C source, nothing else.

    Raises :class:`CatalogueError`.
    """
    if not directory.is_dir():
        raise CatalogueError(str(directory), "is not a folder of catalogue files")
    try:
        found = {
            path.name: path.read_bytes()
            for path in sorted(directory.iterdir())
            if role_of(path.name) and path.is_file() and _fits(path)
        }
    except OSError as error:
        raise CatalogueError(str(directory), f"cannot be read ({error.strerror})") from error
    if not found:
        raise CatalogueError(str(directory), f"holds none of {_expected()}")
    return parse(found, limits)


def parse(files: Mapping[str, bytes], limits: Limits | None = None) -> Catalogue:
    """The catalogue of some files by name (``vmstate.json``, ``types.json.xz``, ``fix.patch`` …).

    A name that is none of a catalogue's is an error, for it was meant to say something.
    Raises :class:`CatalogueError`.
    """
    _check_names(files)
    with tempfile.TemporaryDirectory(prefix="lockstep-import-") as folder:
        for number, content in enumerate(files.values()):
            # Numbered, so that no uploaded name becomes a path.
            Path(folder, str(number)).write_bytes(content)
        Path(folder, "names").write_text(json.dumps(list(files)))
        return _run_child(Path(folder), limits or Limits())


def role_of(name: str) -> str:
    """Which part of a catalogue a file is: one of FILE_NAMES, ``c``, or empty for none."""
    plain = name.removesuffix(".xz")
    if plain.endswith(SUFFIXES):
        return "c"
    stem = plain.removesuffix(".json")
    return stem if stem != plain and stem in FILE_NAMES else ""


def _expected() -> str:
    return f"{', '.join(f'{name}.json' for name in FILE_NAMES)}, {', '.join(SUFFIXES)} (or .xz)"


def _fits(path: Path) -> bool:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise CatalogueError(path.name, f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
    return True


def _check_names(files: Mapping[str, bytes]) -> None:
    if not files:
        raise CatalogueError("files", f"there is none; expected some of {_expected()}")
    if len(files) > MAX_FILES:
        raise CatalogueError("files", f"there are more than {MAX_FILES}")
    if sum(map(len, files.values())) > MAX_TOTAL_BYTES:
        raise CatalogueError("files", f"are larger than {MAX_TOTAL_BYTES // 2**20} MiB together")
    roles: dict[str, str] = {}
    for name, content in files.items():
        role = role_of(name)
        if not role:
            raise CatalogueError(name, f"is none of {_expected()}")
        if role != "c" and role in roles:
            raise CatalogueError(name, f"says the same as {roles[role]}: give one of them")
        if len(content) > MAX_FILE_BYTES:
            raise CatalogueError(name, f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
        roles[role] = name


def _run_child(folder: Path, limits: Limits) -> Catalogue:
    answer = folder / "answer"
    with answer.open("wb") as output, (folder / "errors").open("wb") as errors:
        try:
            status = confined.run("machines.parsing", folder, limits, output, errors)
        except subprocess.TimeoutExpired as error:
            problem = f"takes longer than {limits.wall_seconds} s to read"
            raise CatalogueError(_last_place(folder), problem) from error
    if status == 0:
        return load(load_json("the catalogue", answer.read_bytes()))
    raise _error_of(status, folder, limits)


def _last_place(folder: Path) -> str:
    """The file that the child began to read last."""
    try:
        return (folder / "place").read_text() or "files"
    except OSError:
        return "files"


def _error_of(status: int, folder: Path, limits: Limits) -> CatalogueError:
    if status == STATUS_INPUT:
        told = json.loads((folder / "answer").read_bytes())
        return CatalogueError(told["place"], told["problem"])
    place = _last_place(folder)
    errors = (folder / "errors").read_text(errors="replace")
    if "MemoryError" in errors:
        return CatalogueError(place, f"needs more than {limits.memory // 2**20} MiB to read")
    if -status in {signal.SIGXCPU, signal.SIGKILL}:  # the latter where the system lacks memory
        return CatalogueError(place, f"takes more than {limits.cpu_seconds} s, or too much memory")
    if "File too large" in errors:
        return CatalogueError(place, f"holds more than {limits.output // 2**20} MiB of facts")
    return CatalogueError(place, f"stopped the reader (status {status})")


# --- Child ----------------------------------------------------------------------------------------


def read_folder(names: list[str], content_of: Callable[[str], bytes]) -> Catalogue:
    """Parse the named files, C sources into the arrays of ``compat``. Raises CatalogueError."""
    documents: dict[str, Any] = {}
    arrays: dict[str, tuple[str, list[list[str]]]] = {}
    for name in names:
        content = content_of(name)
        role = role_of(name)
        if role != "c":
            documents[role] = load_json(name, content)
            continue
        text = _source_text(name, content)
        for array, entries in to_document(parse_arrays(text, name)).items():
            if array in arrays:
                raise CatalogueError(name, f"{array} is in {arrays[array][0]} too")
            arrays[array] = name, entries
    if arrays:
        documents["compat"] = _merged(documents.get("compat", {}), arrays)
    elif not documents:
        raise CatalogueError(", ".join(names)[:200], "no GlobalProperty array is in there")
    return parse_documents(documents)


def _merged(listed: Any, arrays: Mapping[str, tuple[str, list[list[str]]]]) -> dict[str, Any]:
    if not isinstance(listed, dict):
        raise CatalogueError("compat", "should map array names to entries")
    for array, (name, _) in arrays.items():
        if array in listed:
            raise CatalogueError(name, f"{array} is in the compat file too")
    return {**listed, **{array: entries for array, (_, entries) in arrays.items()}}


def _source_text(name: str, content: bytes) -> str:
    content = unpack(name, content)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CatalogueError(f"{name}:{line}", "is not UTF-8 text") from error


def main(arguments: list[str]) -> int:
    """The child: ``FOLDER MEMORY OUTPUT CPU_SECONDS``."""
    folder = limit_self(arguments)
    names = json.loads((folder / "names").read_text())

    def content_of(name: str) -> bytes:
        (folder / "place").write_text(name)
        return (folder / str(names.index(name))).read_bytes()

    try:
        document = dump(read_folder(names, content_of))
        json.dump(document, sys.stdout, separators=(",", ":"))
        sys.stdout.flush()
    except CatalogueError as error:
        json.dump({"place": error.place, "problem": error.problem}, sys.stdout)
        return STATUS_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
