"""The list pages, one file each, all alike: the kind of list, its rows, its page.

``LISTINGS`` finds a list by its kind's name, for what works on any of them: what a person keeps of
a list, and what is done with many of its rows.
"""

from collections.abc import Callable

from frontend.lists.kinds import Kind
from frontend.lists.listing import Asked, Listing
from frontend.views.lists import (
    audit,
    bundles,
    changes,
    devices,
    features,
    imports,
    machine_types,
    releases,
    trials,
)

LISTINGS: dict[str, Callable[[Asked], Listing]] = {
    audit.KIND.name: audit.listing,
    bundles.KIND.name: bundles.listing,
    changes.KIND.name: changes.listing,
    devices.KIND.name: devices.listing,
    features.KIND.name: features.listing,
    imports.KIND.name: imports.listing,
    machine_types.KIND.name: machine_types.listing,
    releases.KIND.name: releases.listing,
    trials.KIND.name: trials.listing,
}
KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        audit, bundles, changes, devices, features, imports, machine_types, releases, trials,
    )
}  # fmt: skip
