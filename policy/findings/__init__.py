"""Findings: what is wrong, doubtful or superfluous in a policy before anything was tried. Pure.

    values     entries that are missing, differ, or break what has shipped
    siblings   entries that stop short of a type's variants or the newest machine type
    layouts    one section version with two layouts; linear version bumps
    entries    unknown drivers and properties, wrong types, shadowed ones
    leftovers  mitigations and relaxations that nothing needs any more

:func:`findings` asks them all; docs/policy-rules.md states each rule with an example. Below them,
:mod:`releases` tells what is known of a release, and :mod:`comparison` what two differ in. What a
finding proposes, :func:`policy.findings.settling.applied` carries out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from policy.findings.comparison import Comparison
from policy.findings.entries import entry_findings
from policy.findings.finding import SEVERITIES, Finding, Pair, Place, Proposal, Severity
from policy.findings.layouts import bump_findings, layout_findings
from policy.findings.leftovers import mitigation_findings, relaxation_findings
from policy.findings.releases import Known, Migrations, Subject
from policy.findings.siblings import newest_findings, sibling_findings
from policy.findings.values import value_findings

__all__ = ["Finding", "Pair", "Place", "Proposal", "Severity", "Subject", "findings"]


def findings(
    subject: Subject, others: Sequence[Subject], today: date, shipped: Subject | None = None
) -> tuple[Finding, ...]:
    """Everything that the rules say of a release, the gravest first.

    ``others`` are the releases to compare with: those of its tree, and those that exchange guests
    with it. ``shipped`` is what is published of the very release, where the subject is a draft
    that would follow it; without a policy it is what the release's own sources say.
    """
    found = list(_findings(subject, others, today, shipped))
    order = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    return tuple(sorted(found, key=lambda item: (order[item.severity], item.code)))


def _findings(
    subject: Subject, others: Sequence[Subject], today: date, shipped: Subject | None
) -> Iterator[Finding]:
    known = (subject, *others)
    migrations = Migrations(known)
    telling = Known(known if shipped is None else (*known, shipped))
    partners = migrations.partners(subject)
    for other in others:
        if other.tree == subject.tree or other.label in partners:
            yield from value_findings(Comparison(subject, other, migrations, telling, shipped))
    if shipped is not None:
        yield from value_findings(Comparison(subject, shipped, migrations, telling))
    yield from layout_findings(subject, others, migrations)
    yield from bump_findings(subject, others)
    yield from sibling_findings(subject)
    yield from newest_findings(subject, others)
    yield from entry_findings(subject)
    yield from mitigation_findings(subject, migrations, today)
    yield from relaxation_findings(subject, others, migrations)
