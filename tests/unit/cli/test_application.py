"""What there is to call: every verb in the help, loaded alone, with names that hold no surprise."""

import re

import pytest
import typer.main
from typer.testing import CliRunner

from bugcommand_operator.api.names import MAX_COMMAND_NAME
from bugcommand_operator.cli.application import PANELS, application
from bugcommand_operator.cli.diff_git import same_repository
from bugcommand_operator.cli.manifest import name_for

VERBS = [verb for verbs in PANELS.values() for verb in verbs]


def test_the_help_names_every_verb_and_all_exit_codes() -> None:
    shown = CliRunner().invoke(application(), ["--help"]).output
    for verb in VERBS:
        assert re.search(rf"^\W*{verb} ", shown, re.MULTILINE), verb
    for code in ("0 done", "20 failed", "21 cancelled", "22 refused", "130 interrupted"):
        assert code in " ".join(shown.split()), code


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_loaded_without_the_others_and_has_a_help_of_its_own(verb: str) -> None:
    alone = application([verb, "anything"])
    assert list(vars(typer.main.get_command(alone))["commands"]) == [verb]
    done = CliRunner().invoke(alone, [verb, "--help"])
    assert (done.exit_code, "--namespace" in done.output) == (0, True)


def test_a_word_that_is_no_verb_is_wrong_usage() -> None:
    assert CliRunner().invoke(application(["lst"]), ["lst"]).exit_code == 2


@pytest.mark.parametrize(
    "prompt", ["Fix it.", "x" * 500, "日本語", "--- !!", "a " * 400, "The sum, when 0 > 1, is wrong!"]
)
def test_a_prompt_gives_a_name_that_kubernetes_takes(prompt: str) -> None:
    name = name_for(prompt)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name), name
    assert len(name) <= MAX_COMMAND_NAME
    assert name_for(prompt) != name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("git@git.test:team/shop.git", "https://git.test/team/shop", True),
        ("ssh://git@GIT.test:2222/team/shop/", "https://git.test/team/shop.git", True),
        ("https://me:secret@git.test/team/shop.git", "https://git.test/team/shop.git", True),
        ("https://git.test/team/other.git", "https://git.test/team/shop.git", False),
        ("https://evil.test/git.test/team/shop", "https://git.test/team/shop", False),
        ("/srv/shop.git", "/srv/other.git", False),
    ],
)
def test_a_clone_s_remote_is_known_however_it_is_written(one: str, other: str, same: bool) -> None:
    assert same_repository(one, other) is same
