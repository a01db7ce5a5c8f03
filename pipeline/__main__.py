"""Makes `python -m pipeline` the same command as `error-windows`."""

import sys

from pipeline.cli import main

sys.exit(main())
