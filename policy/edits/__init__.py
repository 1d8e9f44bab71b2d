"""What people do to a draft: every function is one edit, whole or not at all.

Each takes the change request, who edits, and the ``lock_version`` that the person was looking at,
and returns the change request as it is then. Raises :class:`Forbidden` without the role,
:class:`Conflict` where someone else was faster, :class:`Invalid` with the field at fault.

    machine_types  overrides  backports  migrations  waivers    the families of edits
    opening  restoring  whole   a change request begun; an earlier state, a whole file as its draft
    operation  operations       an edit as a value; a list of them, tried and made together
    unmerged                    edits that wait to be merged with what others did
    toggling                    bits turned over, as edits
    library  begun              proposals recorded many at once; backports that are begun

All are written by :mod:`policy.drafts`, and check what people write by :mod:`policy.inputs`.
"""

from policy.edits.backports import (
    add_backport,
    record_feature,
    remove_backport,
)
from policy.edits.machine_types import (
    add_entry,
    add_machine_type,
    change_entry,
    move_entry,
    remove_entry,
    remove_machine_type,
    seed_machine_types,
)
from policy.edits.migrations import (
    add_migration,
    add_mitigation,
    choose_devices,
    remove_migration,
    remove_mitigation,
)
from policy.edits.opening import (
    edit_description,
    open_change,
    open_revert,
    rebase,
    rebase_conflicts,
)
from policy.edits.overrides import (
    clear_override,
    set_override,
)
from policy.edits.waivers import (
    apply_proposal,
    remove_waiver,
    waive_finding,
    waive_trial,
)
from policy.edits.whole import (
    import_policy,
    replace_policy,
)

__all__ = [
    "add_backport",
    "add_entry",
    "add_machine_type",
    "add_migration",
    "add_mitigation",
    "apply_proposal",
    "change_entry",
    "choose_devices",
    "clear_override",
    "edit_description",
    "import_policy",
    "move_entry",
    "open_change",
    "open_revert",
    "rebase",
    "rebase_conflicts",
    "record_feature",
    "remove_backport",
    "remove_entry",
    "remove_machine_type",
    "remove_migration",
    "remove_mitigation",
    "remove_waiver",
    "replace_policy",
    "seed_machine_types",
    "set_override",
    "waive_finding",
    "waive_trial",
]
