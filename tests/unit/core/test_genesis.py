"""Who may do what by a genesis key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.genesis import (
    Actor,
    Allowed,
    Constraint,
    Genesis,
    Refusal,
    TrustGradient,
    may,
)

ME = "agent:executor"
RUN = frozenset({"capture", "execute"})
LOOK = frozenset({"capture"})


def reason(answer: Allowed | Refusal) -> str:
    return answer.reason if isinstance(answer, Refusal) else "Allowed"


@pytest.mark.parametrize(
    ("actors", "expected"),
    [
        ((Actor(ME, RUN),), "Allowed"),
        ((Actor(ME, LOOK),), "PermissionDenied"),
        ((Actor("agent:*", RUN),), "Allowed"),
        ((Actor("*", RUN),), "Allowed"),
        ((Actor("agent:other", RUN),), "PermissionDenied"),
        ((Actor("agent:exec", RUN),), "PermissionDenied"),
        ((Actor("AGENT:executor", RUN),), "PermissionDenied"),
        ((Actor("*", RUN), Actor(ME, LOOK)), "PermissionDenied"),
        ((Actor(ME, RUN), Actor("*", LOOK)), "Allowed"),
        ((Actor("agent:*", LOOK), Actor("agent:exec*", RUN)), "Allowed"),
        ((Actor("agent:exec*", LOOK), Actor("agent:*", RUN)), "PermissionDenied"),
        ((Actor("agent:executor*", RUN), Actor(ME, LOOK)), "PermissionDenied"),
        ((Actor("agent:*", RUN), Actor("*executo", LOOK), Actor("*gent:*", LOOK)), "Allowed"),
        ((Actor(ME, frozenset({"*"})),), "PermissionDenied"),
    ],
)
def test_the_most_specific_entry_decides(actors: tuple[Actor, ...], expected: str) -> None:
    assert reason(may(Genesis(actors=actors), ME, "execute")) == expected


def test_entries_that_are_equally_specific_must_all_allow() -> None:
    both = (Actor("agent:e*", RUN), Actor("*executor", LOOK))
    assert reason(may(Genesis(actors=(*both, Actor("agent:*utor", LOOK))), ME, "execute")) == "PermissionDenied"
    tied = (Actor("agent:*", RUN), Actor("*ecutor", LOOK))
    assert reason(may(Genesis(actors=tied), ME, "execute")) == "PermissionDenied"


def test_the_defaults_count_only_for_who_has_no_entry() -> None:
    genesis = Genesis(actors=(Actor("ada", LOOK),), authenticated=RUN)
    assert reason(may(genesis, ME, "execute")) == "Allowed"
    assert reason(may(genesis, "ada", "execute")) == "PermissionDenied"
    assert reason(may(Genesis(actors=(Actor("ada", RUN),)), ME, "execute")) == "PermissionDenied"


def denying(match: str | dict[str, Any]) -> TrustGradient:
    return TrustGradient(constraints=(Constraint(match, RUN),))


def executor(*kinds: str, trust: TrustGradient) -> Genesis:
    return Genesis(actors=(Actor(ME, RUN, kinds),), trust=trust)


@pytest.mark.parametrize(
    ("kinds", "trust", "expected"),
    [
        (("executor",), TrustGradient({"executor": RUN}), "Allowed"),
        (("executor",), TrustGradient({"executor": LOOK}), "AuthorTypeDenied"),
        ((), TrustGradient({"executor": LOOK}), "Allowed"),
        ((), TrustGradient({"executor": LOOK}, (("agent:*", "executor"),)), "AuthorTypeDenied"),
        (("auditor", "executor"), TrustGradient({"auditor": LOOK, "executor": RUN}), "AuthorTypeDenied"),
        (("executor",), denying({"author_type": "executor"}), "ConstraintViolated"),
        (("executor",), denying({"author_type": ["a", "executor"]}), "ConstraintViolated"),
        (("executor",), denying({"author_type": "architect"}), "Allowed"),
        (("executor",), TrustGradient(constraints=(Constraint({"author_type": "executor"}, LOOK),)), "Allowed"),
        ((), denying("all"), "ConstraintViolated"),
        ((), denying({}), "Allowed"),
        ((), denying({"actor": "agent:*"}), "ConstraintViolated"),
        ((), denying({"actor": "user:*"}), "Allowed"),
        ((), denying({"tags": ["money"]}), "ConstraintViolated"),
        ((), denying({"tags": ["money"], "actor": "x"}), "Allowed"),
    ],
)  # fmt: skip
def test_the_trust_gradient_takes_away(kinds: tuple[str, ...], trust: TrustGradient, expected: str) -> None:
    assert reason(may(executor(*kinds, trust=trust), ME, "execute")) == expected


def test_an_actor_may_only_act_as_a_type_that_it_was_given() -> None:
    genesis = executor("auditor", "executor", trust=TrustGradient({"auditor": LOOK, "executor": RUN}))
    assert reason(may(genesis, ME, "execute", "executor")) == "Allowed"
    assert reason(may(genesis, ME, "execute", "owner")) == "AuthorTypeDenied"


def test_trust_never_gives_what_permissions_deny() -> None:
    genesis = Genesis(actors=(Actor(ME, LOOK, ("executor",)),), trust=TrustGradient({"executor": RUN}))
    assert reason(may(genesis, ME, "execute")) == "PermissionDenied"


names = st.sampled_from(["agent:executor", "agent:*", "*", "ag*cutor", "user:*", "agent:exec*", "x"])
operations = st.frozensets(st.sampled_from(["execute", "capture", "close"]))
kinds = st.lists(st.sampled_from(["executor", "auditor"]), max_size=2).map(tuple)
actors = st.lists(st.builds(Actor, names, operations, kinds), max_size=4).map(tuple)
constraints = st.lists(
    st.builds(Constraint, st.sampled_from(["all", {"author_type": "executor"}, {"actor": "agent:*"}, {}]), operations),
    max_size=3,
).map(tuple)
trusts = st.builds(
    TrustGradient, st.dictionaries(st.sampled_from(["executor", "auditor"]), operations), st.just(()), constraints
)


@given(actors, st.none() | operations, trusts)
def test_a_trust_gradient_can_only_narrow(
    entries: tuple[Actor, ...], defaults: frozenset[str] | None, trust: TrustGradient
) -> None:
    without = may(Genesis(entries, defaults), ME, "execute")
    with_trust = may(Genesis(entries, defaults, trust=trust), ME, "execute")
    assert isinstance(without, Allowed) or with_trust == without


@given(actors, trusts, constraints)
def test_a_further_constraint_can_only_narrow(
    entries: tuple[Actor, ...], trust: TrustGradient, more: tuple[Constraint, ...]
) -> None:
    before = may(Genesis(entries, trust=trust), ME, "execute")
    after = may(Genesis(entries, trust=trust._replace(constraints=trust.constraints + more)), ME, "execute")
    assert isinstance(before, Allowed) or isinstance(after, Refusal)


@given(st.permutations([Actor("agent:*", RUN), Actor("*", LOOK), Actor("agent:exec*", LOOK), Actor("*tor", RUN)]))
def test_the_order_of_entries_does_not_matter(entries: list[Actor]) -> None:
    assert reason(may(Genesis(tuple(entries)), ME, "execute")) == "PermissionDenied"
