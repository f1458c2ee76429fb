"""`python -m scram_plugin` is the command `scram`."""

import sys

from scram_plugin.cli.main import main

sys.exit(main())
