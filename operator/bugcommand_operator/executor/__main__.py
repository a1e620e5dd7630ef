"""`python -m bugcommand_operator.executor`."""

from bugcommand_operator.executor.start import main

main()
