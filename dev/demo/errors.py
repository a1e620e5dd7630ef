"""What ends the demo, with a word on what a person can do about it."""


class DemoError(Exception):
    """A step did not work."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
