"""Notes are kept by when they were made last."""

from __future__ import annotations

from bugcommand_operator.executor.newest import note


def test_what_is_noted_again_is_the_newest() -> None:
    noted: dict[str, int] = {}
    for number, key in enumerate("abac"):
        note(noted, key, number, most=2)

    assert noted == {"a": 2, "c": 3}
