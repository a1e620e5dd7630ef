"""An absolute path finds its Repository by whole components, the longest prefix first, and the rest is kept exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.gateway.bridge.paths import KnownRepository, Place, place
from bugcommand_operator.gateway.bridge.refusals import Untranslatable

SHOP = KnownRepository("shop", ("/home/mentu/Workspaces/shop", "/srv/shop"))
INNER = KnownRepository("inner", ("/home/mentu/Workspaces/shop/vendor/inner",))
TWIN = KnownRepository("twin", ("/srv/shop",))
PLAIN = KnownRepository("plain")
ALL = [SHOP, INNER, PLAIN]


def found(directory: str, named: str | None = None, known: list[KnownRepository] = ALL) -> Place:
    return place(directory, named, known, "team-a")


@pytest.mark.parametrize(
    ("directory", "repository", "rest"),
    [
        ("/home/mentu/Workspaces/shop", "shop", ""),
        ("/home/mentu/Workspaces/shop/", "shop", ""),
        ("/home/mentu/Workspaces/shop/web", "shop", "web"),
        ("/home/mentu/Workspaces/shop/web/", "shop", "web/"),
        ("/home/mentu/Workspaces/shop/a//b/./c", "shop", "a//b/./c"),
        ("/home//mentu/./Workspaces/shop/web", "shop", "web"),
        ("/srv/shop/x", "shop", "x"),
        ("/home/mentu/Workspaces/shop/vendor/inner", "inner", ""),
        ("/home/mentu/Workspaces/shop/vendor/inner/src", "inner", "src"),
        ("/home/mentu/Workspaces/shop/vendor/inner-two", "shop", "vendor/inner-two"),
        ("/home/mentu/Workspaces/shop/VENDOR/inner", "shop", "VENDOR/inner"),
    ],
)
def test_the_longest_prefix_of_whole_components_wins(directory: str, repository: str, rest: str) -> None:
    assert found(directory) == Place(repository, rest)


@pytest.mark.parametrize("directory", ["/home/mentu/Workspaces/shopping", "/home/mentu/Workspaces", "/", "/etc", "//"])
def test_a_path_below_no_prefix_is_refused_with_what_to_do(directory: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        found(directory)
    assert (refused.value.status, refused.value.reason) == (422, "WorkingDirectoryNotMapped")
    assert refused.value.field == "working_directory"
    assert "spec.pathPrefixes" in refused.value.message


def test_the_same_prefix_in_two_repositories_is_refused_and_both_are_named() -> None:
    with pytest.raises(Untranslatable, match="shop, twin") as refused:
        found("/srv/shop/x", known=[SHOP, TWIN])
    assert refused.value.reason == "WorkingDirectoryAmbiguous"
    assert found("/srv/shop/x", "twin", [SHOP, TWIN]) == Place("twin", "x")


def test_the_root_as_a_prefix_takes_what_no_other_prefix_takes() -> None:
    anything = KnownRepository("anything", ("/",))
    assert found("/etc/x", known=[SHOP, anything]) == Place("anything", "etc/x")
    assert found("/srv/shop/x", known=[SHOP, anything]) == Place("shop", "x")


@pytest.mark.parametrize("directory", ["..", "/srv/shop/../x", "a/../../b", "/home/mentu/Workspaces/shop/.."])
def test_climbing_out_is_refused_before_anything_is_looked_up(directory: str) -> None:
    with pytest.raises(Untranslatable, match=r"remove \.\.") as refused:
        found(directory, known=[])
    assert refused.value.reason == "WorkingDirectoryOutsideTree"


@pytest.mark.parametrize("directory", ["~/shop", "C:\\shop", "c:/shop", "\\\\server\\share"])
def test_a_path_that_only_its_own_machine_understands_is_refused(directory: str) -> None:
    with pytest.raises(Untranslatable, match="neither an absolute path"):
        found(directory, "shop")


def test_a_relative_path_is_kept_exactly_in_the_repository_that_is_named() -> None:
    assert found("./a//b/", "plain") == Place("plain", "./a//b/")


def test_a_relative_path_needs_no_name_where_there_is_one_repository() -> None:
    assert found("web", known=[PLAIN]) == Place("plain", "web")
    with pytest.raises(Untranslatable, match="3 Repositories"):
        found("web")
    with pytest.raises(Untranslatable, match="has no Repositories"):
        found("web", known=[])


def test_a_sender_is_told_nothing_of_repositories_that_are_not_its_own() -> None:
    mine = frozenset({"plain"})
    with pytest.raises(Untranslatable) as hidden:
        place("/srv/shop", None, ALL, "team-a", allowed=mine)
    with pytest.raises(Untranslatable) as missing:
        place("/srv/shop", None, [PLAIN], "team-a", allowed=mine)
    assert (hidden.value.reason, hidden.value.message) == (missing.value.reason, missing.value.message)
    with pytest.raises(Untranslatable, match="there is no Repository shop"):
        place("web", "shop", ALL, "team-a", allowed=mine)
    assert place("web", None, ALL, "team-a", allowed=mine) == Place("plain", "web")


@pytest.mark.parametrize("named", ["shop", "none"])
def test_a_sender_cannot_tell_another_s_repository_from_none_by_naming_it(named: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        place("/elsewhere", named, ALL, "team-a", allowed=frozenset({"plain"}))
    assert (refused.value.reason, "pathPrefixes" in refused.value.message) == ("RepositoryNotFound", False)


def test_of_repositories_with_one_prefix_a_sender_gets_its_own_and_is_told_of_no_other() -> None:
    assert place("/srv/shop/x", None, [SHOP, TWIN], "team-a", allowed=frozenset({"twin"})) == Place("twin", "x")
    with pytest.raises(Untranslatable) as refused:
        place("/srv/shop/x", None, [SHOP, TWIN], "team-a", allowed=frozenset({"plain"}))
    assert refused.value.reason == "WorkingDirectoryNotMapped"
    with pytest.raises(Untranslatable, match="shop, twin"):
        found("/srv/shop/x", known=[SHOP, TWIN])


def test_a_longer_prefix_of_another_s_repository_is_not_given_to_mine() -> None:
    with pytest.raises(Untranslatable):
        place("/home/mentu/Workspaces/shop/vendor/inner/x", None, ALL, "team-a", allowed=frozenset({"shop"}))


PARTS = st.lists(st.sampled_from(["a", "b", "shop", "shop2", "x y", "ä"]), min_size=1, max_size=5)


@given(prefix=PARTS, rest=PARTS)
def test_what_follows_a_prefix_comes_out_as_it_went_in(prefix: list[str], rest: list[str]) -> None:
    known = [KnownRepository("one", ("/" + "/".join(prefix),))]
    assert found("/" + "/".join([*prefix, *rest]), known=known) == Place("one", "/".join(rest))


@given(directory=st.text(max_size=60), named=st.sampled_from([None, "", "shop", "none"]))
def test_any_text_is_placed_inside_or_refused(directory: str, named: str | None) -> None:
    try:
        where = found(directory, named)
    except Untranslatable:
        return
    assert where.repository in {"shop", "inner", "plain"}
    assert not where.working_directory.startswith("/")
    assert ".." not in where.working_directory.split("/")
