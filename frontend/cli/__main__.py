"""``python -m frontend.cli``: the same as ``lockstep``."""

import sys

from frontend.cli.main import main

sys.exit(main())
