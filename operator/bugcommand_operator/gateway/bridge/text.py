"""What text from outside may hold. Pure."""

import unicodedata

_IN_PROSE = "\n\r\t"


def prose_problem(text: str) -> str | None:
    """What is wrong with a text of several lines; None when nothing is."""
    return line_problem("".join(character for character in text if character not in _IN_PROSE))


def line_problem(text: str) -> str | None:
    """What is wrong with a text that has to be a single line; None when nothing is."""
    if text.isprintable():
        return None
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            return "holds half of a surrogate pair, which is no text: send valid UTF-8"
        if category == "Cc":
            return f"holds the control character U+{ord(character):04X}: remove it"
    return None
