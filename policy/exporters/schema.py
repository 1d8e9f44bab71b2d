"""``policy.schema.json``: the JSON Schema (draft 2020-12) of a policy document, of its version.

Its identifier names the version (``urn:lockstep:policy:1``), as the document does under
``schema``. What JSON Schema cannot say (a machine type's parent is one of the document's own, and
nothing is its own ancestor), :func:`policy.document.from_json` checks on top of it.
"""

from __future__ import annotations

from importlib.resources import files

NAME = "policy.schema.json"


def text() -> str:
    """The schema as it is shipped."""
    return files(__package__).joinpath(NAME).read_text(encoding="utf-8")
