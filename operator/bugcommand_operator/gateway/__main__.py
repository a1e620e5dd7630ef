"""`python -m bugcommand_operator.gateway`."""

from bugcommand_operator.gateway.main import main

main()
