"""`python -m qsmstats`: the command line without an installed script."""

import sys

from qsmstats.cli import main

sys.exit(main())
