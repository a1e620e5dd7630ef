"""`python -m bugcommand_operator.replay` is `mentu-replay`."""

import sys

from bugcommand_operator.replay.main import main

sys.exit(main())
