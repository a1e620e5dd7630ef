"""Which changed paths a scope lets through."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.glob import matches_segment, matches_text
from bugcommand_operator.core.scope import Scope, matches_path, scope_from, scope_problem


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("src/**", "src/a/b.py", True),
        ("src/**", "src/a.py", True),
        ("src/**", "other/src/a.py", False),
        ("src/*", "src/a.py", True),
        ("src/*", "src/a/b.py", True),  # a folder that matches covers what is below it
        ("src/*.py", "src/a/b.py", False),
        ("src/**/*.py", "src/a/b/c.py", True),
        ("src/**/*.py", "src/c.py", True),
        ("**/tests/**", "tests/a.py", True),
        ("**/tests/**", "x/y/tests/a.py", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/deep/x.md", True),
        ("/*.md", "docs/x.md", False),
        ("package.json", "web/package.json", True),
        ("/package.json", "web/package.json", False),
        ("docs/", "docs/x.md", True),
        ("docs/", "docs", False),
        ("docs/", "a/docs/x.md", True),
        ("docs", "docs/x.md", True),
        ("docs", "documents/x.md", False),
        (".github/", ".github/workflows/ci.yaml", True),
        ("app/[id]/page.tsx", "app/[id]/page.tsx", True),
        ("app/[id]/page.tsx", "app/i/page.tsx", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("**", "anything/at/all", True),
        ("*", "anything/at/all", True),
        ("", "a", False),
        ("/", "a", False),
        ("!a", "a", False),
    ],
)
def test_patterns_read_like_lines_of_a_gitignore(pattern: str, path: str, expected: bool) -> None:
    assert matches_path(pattern, path) is expected


def test_an_empty_scope_lets_everything_through() -> None:
    raws: list[dict[str, Any] | None] = [
        None,
        {},
        {"allowedPatterns": [], "forbiddenPatterns": [], "maxFileChanges": None},
    ]
    for raw in raws:
        assert scope_problem(scope_from(raw), ["a", "b/c"]) == ""


@pytest.mark.parametrize(
    ("scope", "paths", "part"),
    [
        (Scope(allowed=("src/**",)), ["src/a", "b"], "outside the allowed patterns were changed: b"),
        (Scope(forbidden=("*.lock",)), ["x/y.lock"], "forbidden paths were changed: x/y.lock"),
        (Scope(allowed=("**",), forbidden=("a",)), ["a"], "forbidden"),
        (Scope(max_files=1), ["a", "b"], "2 files were changed where at most 1 may be"),
        (Scope(max_files=0), ["a"], "1 files"),
        (Scope(forbidden=("*",)), [f"f{n}" for n in range(9)], "and 4 more"),
    ],
)
def test_what_is_outside_is_named(scope: Scope, paths: list[str], part: str) -> None:
    assert part in scope_problem(scope, paths)


def test_a_path_counts_once_and_odd_names_stay_on_the_line() -> None:
    assert scope_problem(Scope(max_files=1), ["a", "a"]) == ""
    problem = scope_problem(Scope(forbidden=("*",)), ["a\nb", "\udcff", "\u202ex"])
    assert problem.isascii()
    assert "\n" not in problem


def test_no_pattern_makes_matching_slow() -> None:
    started = time.process_time()
    assert not matches_text("*a" * 200 + "b", "a" * 4000)
    assert not matches_path("/".join(["**", "*a*a*a*a*b"] * 20), "/".join(["a" * 50] * 60))
    assert time.process_time() - started < 3


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=10))
def test_a_star_means_the_same_as_in_a_regular_expression(pattern: str, text: str) -> None:
    import re

    expression = "".join(".*" if character == "*" else re.escape(character) for character in pattern)
    assert matches_text(pattern, text) == bool(re.fullmatch(expression, text))


@given(st.text(alphabet="ab?", max_size=6), st.text(alphabet="ab", max_size=6))
def test_a_question_mark_is_one_character(pattern: str, text: str) -> None:
    fits = len(pattern) == len(text) and all(p in ("?", t) for p, t in zip(pattern, text, strict=True))
    assert matches_segment(pattern, text) == fits


paths = st.lists(st.sampled_from(["src/a.py", "src/b/c.py", "docs/x.md", "ci.yaml", ".github/w.yaml"]), max_size=5)
patterns = st.lists(st.sampled_from(["src/**", "*.md", ".github/", "**/*.py", "ci.yaml"]), max_size=3).map(tuple)


@given(paths, patterns, patterns, st.none() | st.integers(0, 5))
def test_fewer_changes_never_make_a_scope_fail(
    changed: list[str], allowed: tuple[str, ...], forbidden: tuple[str, ...], most: int | None
) -> None:
    scope = Scope(allowed, forbidden, most)
    if scope_problem(scope, changed) == "":
        assert scope_problem(scope, changed[1:]) == ""
