"""What can be done with many rows of a list at once.

Each action is tried before it is done: the dry run tells of every row what would become of it, or
why it cannot be. Rows with an error are left out only where the person says so.

    tasks      what is asked for, the answer of a dry run, and what an action is
    forms      what is typed about all rows
    one_by_one actions of which each row is done by itself: trials, change requests
    edits      actions that become edits of one change request: machine types, devices
"""

from collections.abc import Mapping

from frontend.bulk import edits, one_by_one
from frontend.bulk.tasks import BulkAction

#: List and action → what it does.
ACTIONS: Mapping[tuple[str, str], BulkAction] = {
    ("trials", "run-again"): one_by_one.RunAgain(),
    ("changes", "submit"): one_by_one.Submit(),
    ("changes", "withdraw"): one_by_one.Withdraw(),
    ("machine-types", "add-entry"): edits.AddEntry(),
    ("machine-types", "change-entry"): edits.ChangeEntry(),
    ("machine-types", "remove-entry"): edits.RemoveEntry(),
    ("devices", "override"): edits.SetOverride(),
    ("devices", "clear-override"): edits.ClearOverride(),
}
