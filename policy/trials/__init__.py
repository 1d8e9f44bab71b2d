"""Trial migrations: which ones a policy needs, what became of them, and what else is tried.

    needed  inputs  holding         the trials of a policy, what each depends on, holding one
    promises  matrix                what a tree promises; its migrations at a glance
    altered  published              what open drafts alter; how published policies stand
    retrying  variants  remedies    once more; with other properties; a search for mitigations
    recordings                      a trial's stream, made again from its inputs
    streams  stream_verdicts        uploaded streams; would a release load one?

Everybody asks for, and about, the trials of a policy from here.
"""

from policy.trials.holding import Hold, enqueue_missing, outcome_of, run
from policy.trials.inputs import TrialInputs, TrialSide, side_from
from policy.trials.needed import Requirement, Verdict, required, requirements_of

__all__ = [
    "Hold",
    "Requirement",
    "TrialInputs",
    "TrialSide",
    "Verdict",
    "enqueue_missing",
    "outcome_of",
    "required",
    "requirements_of",
    "run",
    "side_from",
]
