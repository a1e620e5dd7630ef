"""Which names may stand for a branch or a tag: never one that git refuses or reads as something else."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bugcommand_operator.core.ref_name import FULL_SHA, ref_problem


@pytest.mark.parametrize(
    "name", ["main", "feature/x", "v1.2.3", "a-b_c", "refs/heads/x", "ünï", "dependabot/npm/@types/x", "#12"]
)
def test_usual_names_are_fine(name: str) -> None:
    assert ref_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", "-u", "--template=", "a..b", "@", "a@{1}", "a b", "a~1", "a^", "a:b", "a?", "a*", "[a", "a\\b", "/a", "a/",
     "a//b", "a.", ".a", "a/.b", "a.lock", "a.lock/b", "a\n", "a\x7f", "a\u202eb", "+a", "a$(x)",
     "a`x`", "a'b", 'a"b', "x" * 251],
)  # fmt: skip
def test_names_with_a_meaning_are_not(name: str) -> None:
    assert ref_problem(name)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab./-@{}~^:?*[\\ \x01é", min_size=1, max_size=12))
def test_what_passes_is_also_a_name_to_git(name: str) -> None:
    if ref_problem(name) == "":
        checked = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False)
        assert checked.returncode == 0


def test_only_a_whole_commit_id_is_one() -> None:
    assert FULL_SHA.match("a" * 40)
    assert FULL_SHA.match("0" * 64)
    for text in ("a" * 39, "a" * 41, "A" * 40, "g" * 40, "a" * 40 + "\n"):
        assert not FULL_SHA.match(text)
