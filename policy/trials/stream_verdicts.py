"""Would a release load this stream? Asked about a stream that is kept, and answered by a worker.

The release is taken as published, or as a change request would leave it, with its bitmaps, the
mitigations for guests of where this one was started, and what the user sets on the command line.
The answer is that of :mod:`machines.emulator.replay`, and where the stream is refused, what would
let it in (:mod:`policy.questions.mitigating`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import transaction

from machines import kept_streams
from machines.catalogue import NoCatalogue
from machines.emulator import replay
from machines.emulator.bitmap import BitmapError
from machines.emulator.catalogue import CompatProperty
from machines.emulator.release import Release as Destination
from machines.models import Release, Stream
from policy import audit, rules, state
from policy.errors import Invalid
from policy.findings.releases import Subject
from policy.models import ChangeRequest, StreamVerdict
from policy.permissions import require
from policy.questions.mitigating import Watch, suggest_for_stream
from policy.review.examining import subject_of
from policy.state import State
from policy.trials.variants import MAX_PROPERTIES, check_property

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Verdicts that are kept of one stream; asking for more forgets the oldest.
MAX_VERDICTS = 50


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a stream. ``change`` is the draft through which ``release`` is seen.

    ``machine_type`` is empty for the one that the stream names; ``started_on`` is where the guest
    was started; ``profile`` a stream that the destination saved in the same configuration.
    """

    release: Release
    change: ChangeRequest | None = None
    machine_type: str = ""
    started_on: Release | None = None
    profile: Stream | None = None
    properties: Sequence[CompatProperty] = ()


@transaction.atomic
def ask(user: User, stream: Stream, question: Question) -> StreamVerdict:
    """A row for the answer. Raises Forbidden, and Invalid at the field at fault.

    The caller, who has seen to it that the person sees the stream, asks the workers to judge.
    """
    require(user, "view", question.release.tree)
    found = _state(question)
    name = question.machine_type or stream.machine_type
    if stream.state not in (Stream.State.READ, Stream.State.CUT):
        raise Invalid("The stream was not read: nothing can be said of it.")
    if not name:
        raise Invalid("The stream names no machine type: choose one.", field="machine_type")
    if name != stream.machine_type and name not in rules.machine_types(found):
        raise Invalid(f"{found.label} has no machine type '{name:.80}'.", field="machine_type")
    if len(question.properties) > MAX_PROPERTIES:
        raise Invalid(f"At most {MAX_PROPERTIES} properties.", field="properties")
    for entry in question.properties:
        check_property(found.catalogue, entry, "properties")
    verdict = StreamVerdict.objects.create(
        stream=stream,
        release=question.release,
        change_request=question.change,
        policy_digest=found.policy.digest if found.policy is not None else "",
        machine_type=name,
        started_on=question.started_on,
        profile=question.profile,
        properties=[[item.driver, item.property, item.value] for item in question.properties],
        asked_by=user,
    )
    older = stream.verdicts.values_list("pk", flat=True)[MAX_VERDICTS:]
    StreamVerdict.objects.filter(pk__in=list(older)).delete()
    audit.record(user, "asked for verdict", stream, after={"into": found.label, "machine": name})
    return verdict


def judge(verdict: StreamVerdict, watch: Watch) -> StreamVerdict:
    """Answer, and record the answer. What cannot be judged says why in ``error``.

    ``watch`` is told (trials held, at most to be held) before each trial of a search for properties
    that would let the stream in; what it raises ends it all.
    """
    try:
        result = _judged(verdict, watch)
    except (Invalid, BitmapError) as error:
        verdict.state, verdict.error = StreamVerdict.State.FAILED, str(error)
    else:
        verdict.state = StreamVerdict.State.DONE
        verdict.outcome, verdict.result = result["outcome"], result
    verdict.save()
    return verdict


def _judged(verdict: StreamVerdict, watch: Watch) -> dict[str, Any]:
    """The verdict's JSON, with ``suggestions``: sets of entries, each of which would let the stream
    in, the likeliest first.
    """
    question = Question(verdict.release, verdict.change_request, verdict.machine_type)
    found = _as_set_up(_state(question), verdict)
    sent = kept_streams.snapshot_of(verdict.stream)
    sent = replace(sent, machine=sent.machine and verdict.machine_type)
    profile = kept_streams.snapshot_of(verdict.profile) if verdict.profile else None
    own = [CompatProperty(*item) for item in verdict.properties]
    into = Destination.of(found.catalogue)
    given = [(item.driver, item.property, item.value) for item in own]
    result = replay.trial(sent, into, profile, given).as_json()
    result["suggestions"] = []
    if verdict.stream.machine_type not in ("", verdict.machine_type):
        result["assumptions"].append(
            f"the stream names the machine type '{verdict.stream.machine_type}': it was read as if "
            f"it named '{verdict.machine_type}'"
        )
    if result["outcome"] == "refused":
        helpful = suggest_for_stream(
            sent, subject_of(found), profile, _source(verdict), given=own, watch=watch
        )
        result["suggestions"] = [
            [[item.driver, item.property, item.value] for item in suggestion.entries]
            for suggestion in helpful
        ]
    return result


def _state(question: Question) -> State:
    """The release as it is asked about. Raises ``Invalid`` where nothing is known of it."""
    try:
        if question.change is not None:
            return state.draft(question.change)
        return state.published(question.release)
    except NoCatalogue as error:
        raise Invalid(str(error), field="into") from error


def _source(verdict: StreamVerdict) -> Subject | None:
    """Where the guest was started: the values there are likely ones to let it in."""
    if verdict.started_on is None:
        return None
    try:
        return subject_of(state.published(verdict.started_on))
    except NoCatalogue:
        return None


def _as_set_up(found: State, verdict: StreamVerdict) -> State:
    """The state whose machine type also sets the bitmaps, and mitigations for this guest."""
    name = verdict.machine_type
    extra = [*rules.blacklist_properties(found.policy, found.catalogue, name)]
    if verdict.started_on is not None:
        extra += rules.mitigations_for(found.policy, verdict.started_on.label, name)
    return _with(found, name, extra)


def _with(found: State, name: str, extra: Sequence[CompatProperty]) -> State:
    """The state with further entries of a machine type, which win; one it lacks stays away."""
    known = found.catalogue.machine_types.get(name)
    if known is None:
        return found
    machine_type = replace(known, compat=(*known.compat, *extra))
    types = {**found.catalogue.machine_types, name: machine_type}
    return replace(found, catalogue=replace(found.catalogue, machine_types=types))
