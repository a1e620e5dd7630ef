"""`python -m bugcommand_operator.uninstall`."""

from bugcommand_operator.uninstall.main import main

if __name__ == "__main__":
    main()
