"""`python -m bugcommand_operator.workspace`."""

import sys

from bugcommand_operator.workspace.main import main

sys.exit(main())
