"""``python -m machines.emulator COMMAND …``: see :mod:`machines.emulator.commands`."""

from __future__ import annotations

import gc
import sys

from machines.emulator.commands import main

if __name__ == "__main__":
    # A catalogue is many objects that all live until the end: looking for garbage finds none.
    gc.set_threshold(200_000)
    sys.exit(main())
