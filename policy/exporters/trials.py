"""The trial report of a revision: as data for programs, as a table for people.

A recorded trial is a JSON object with ``source``, ``destination``, ``machine_type``, ``expected``,
``outcome`` and ``key``, the digest of everything that the outcome depends on; ``result`` holds what
the emulator found (reason, section, field, lost fields), ``waived`` why and until when another
outcome than the declared one was accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policy.document import canonical


def export(trials: Sequence[Mapping[str, Any]]) -> str:
    """``trials.json``: canonical JSON, on one line."""
    return canonical(list(trials)) + "\n"


def report(label: str, trials: Sequence[Mapping[str, Any]]) -> str:
    """``TRIALS.md``: one row a trial, then what those that were not simply correct said."""
    lines = [f"# Trial migrations of {label}", ""]
    if not trials:
        return "\n".join([*lines, "The policy declares no migration, so no trial was needed.", ""])
    lines += [
        "Each migration that the policy declares, the outcome that it promises, and the outcome",
        "that the emulator found.",
        "",
        "| source | destination | machine type | declared | found |",
        "| --- | --- | --- | --- | --- |",
    ]
    columns = ("machine_type", "expected", "outcome")
    for trial in trials:
        cells = [*_ends(trial), *(trial.get(name) for name in columns)]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    said = [line for trial in trials for line in _said(trial)]
    if said:
        lines += ["", "## What the emulator said", "", *said]
    return "\n".join([*lines, ""])


def _ends(trial: Mapping[str, Any]) -> list[str]:
    """Source and destination; one that has published no policy is what its catalogue says."""
    origins = trial.get("origins") or ("policy", "policy")
    labels = (trial.get("source"), trial.get("destination"))
    return [
        f"{label} (catalogue)" if origin == "catalogue" else str(label)
        for label, origin in zip(labels, origins, strict=True)
    ]


def _cell(value: Any) -> str:
    return str(value if value is not None else "").replace("|", "\\|").replace("\n", " ")


def _said(trial: Mapping[str, Any]) -> list[str]:
    result = trial.get("result") or {}
    place = " / ".join(str(result[key]) for key in ("section", "field") if result.get(key))
    lost = ", ".join(_named(item) for item in result.get("lost") or ())
    waived = trial.get("waived") or {}
    accepted = waived and f"waived until {waived.get('expires')}: {waived.get('reason')}"
    details = [
        text
        for text in (
            result.get("reason"),
            place and f"at {place}",
            lost and f"lost: {lost}",
            accepted,
        )
        if text
    ]
    if not details:
        return []
    title = f"{trial.get('source')} → {trial.get('destination')}, {trial.get('machine_type')}"
    return [f"- {_cell(title)}: {trial.get('outcome')}; {_cell('; '.join(map(str, details)))}"]


def _named(item: Any) -> str:
    if isinstance(item, Mapping):
        return ".".join(str(item[key]) for key in ("section", "field") if item.get(key))
    return str(item)
