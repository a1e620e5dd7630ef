"""`python -m bugcommand_operator.executor`."""

from bugcommand_operator.executor.main import main

main()
