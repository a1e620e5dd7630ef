"""`python -m bugcommand_operator.workspace`."""

from bugcommand_operator.workspace.main import main

main()
