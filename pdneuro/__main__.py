"""Run the command line as ``python -m pdneuro``."""

import sys

from pdneuro.cli import main

sys.exit(main())
