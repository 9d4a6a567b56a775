"""Run the command as ``python -m subtomo``."""

import sys

from subtomo.cli import main

sys.exit(main())
