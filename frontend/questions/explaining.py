"""What a page and the API make of the log of a failed migration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from frontend.questions.comparing import Pair
from policy.errors import Invalid
from policy.questions import explaining, qemu_log
from policy.questions.comparing import demand_machine_type
from policy.questions.explaining import Explanation
from policy.review import examining


@dataclass(frozen=True, slots=True)
class Explained:
    """The failures of a log, and its lines that say nothing known: (number from 1, text)."""

    failures: tuple[Explanation, ...]
    unknown: tuple[tuple[int, str], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "failures": [item.to_json() for item in self.failures],
            "unknown": [{"number": number, "text": text} for number, text in self.unknown],
        }


def explained(pair: Pair, log: str) -> Explained:
    """Every failure in the log explained. Raises :class:`Invalid` at the field at fault."""
    ends = (pair.source.state, pair.destination.state)
    demand_machine_type(ends, pair.machine_type)
    try:
        read = qemu_log.read_log(log)
    except qemu_log.LogError as error:
        raise Invalid(str(error), field="log") from error
    if not read.failures:
        text = _("None of these lines says why a migration failed: paste QEMU’s own messages.")
        raise Invalid(text, field="log")
    source, destination = (examining.subject_of(end) for end in ends)
    return Explained(
        tuple(
            explaining.explain(failure, source, destination, pair.machine_type)
            for failure in read.failures
        ),
        read.unknown,
    )
