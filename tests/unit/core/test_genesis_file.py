"""From the bytes of a genesis key to an answer; what is not clearly a key refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.core.genesis import Allowed, Refusal
from bugcommand_operator.core.genesis_file import MalformedError, decide, read_genesis

ME = "agent:executor"
FULL = """
genesis: {version: "1.0", created: "2026-01-03T00:00:00Z"}
identity: {workspace: shop, owner: Ada}
constitution: {principles: [{id: evidence-required}]}
permissions:
  actors:
    "Ada": {role: owner, author_types: [architect, executor], operations: [close]}
    "agent:executor":
      author_types: [executor]
      operations: [capture, execute]
  defaults:
    authenticated: {operations: [capture]}
    anonymous: {operations: []}
trust_gradient:
  enabled: true
  author_types:
    executor: {trust_level: authorized, allowed_operations: [capture, execute], requires_audit: true}
  constraints:
    - match: {author_type: architect}
      deny: [close]
    - match: {author_type: executor}
      recommend_provenance: true
constraints: {require_claim: [{match: all}]}
federation: {enabled: false}
"""


def answer(text: str | bytes | None, policy: str = "Deny", actor: str = ME) -> str:
    content = text.encode() if isinstance(text, str) else text
    decided = decide(content, policy, actor)
    return decided.reason if isinstance(decided, Refusal) else decided.basis


def key(**parts: Any) -> str:
    document = {
        "genesis": {"version": "1.0", "created": "2026-01-03"},
        "permissions": {"actors": {ME: {"operations": ["execute"]}}},
        **parts,
    }
    return json.dumps({name: part for name, part in document.items() if part is not ...})


def test_a_key_as_mentu_writes_it_is_understood() -> None:
    assert answer(FULL) == "Allowed"
    assert answer(FULL, actor="agent:other") == "PermissionDenied"
    assert answer(FULL.replace("allowed_operations: [capture, execute]", "allowed_operations: [capture]")) == (
        "AuthorTypeDenied"
    )
    assert answer(FULL.replace("recommend_provenance: true", "deny: [execute]")) == "ConstraintViolated"
    assert answer(FULL.replace("enabled: true", "enabled: false").replace("execute],", "capture],")) == "Allowed"


def test_json_is_yaml() -> None:
    assert answer(key()) == "Allowed"


def test_a_missing_key_is_what_the_policy_says() -> None:
    assert (answer(None, "Allow"), answer(None, "Deny"), answer(None, "allow")) == (
        "Missing",
        "GenesisMissing",
        "GenesisMissing",
    )


def test_a_key_without_permissions_is_what_the_policy_says_but_trust_still_counts() -> None:
    assert (answer(key(permissions=...), "Allow"), answer(key(permissions=...), "Deny")) == (
        "Missing",
        "GenesisMissing",
    )
    denies = {"enabled": True, "constraints": [{"match": "all", "deny": ["execute"]}]}
    assert answer(key(permissions=..., trust_gradient=denies), "Allow") == "ConstraintViolated"


MALFORMED = [
    b"", b"# nothing", b"null", b"[]", b"execute", b"{", b"\xff\xfe", b"a: b: c", b"\x00", b"\t- x", b"a: &x 1\nb: *x",
    key(genesis=...), key(genesis=None), key(genesis={}), key(genesis={"version": None}), key(genesis="1.0"),
    key(identity="shop"), key(identity=None),
    key(permissions=None), key(permissions=[]), key(permissions={"actors": None}), key(permissions={"actors": []}),
    key(permissions={"actors": {ME: None}}), key(permissions={"actors": {ME: ["execute"]}}),
    key(permissions={"actors": {ME: {}}}), key(permissions={"actors": {ME: {"operations": "execute"}}}),
    key(permissions={"actors": {ME: {"operations": ["execute", 1]}}}),
    key(permissions={"actors": {ME: {"operations": ["execute"]}, "other": {"operations": None}}}),
    key(permissions={"actors": {ME: {"operations": ["execute"], "author_type": 1}}}),
    key(permissions={"defaults": {"authenticated": ["execute"]}}), key(permissions={"defaults": None}),
    key(permissions={"defaults": {"authenticated": {"operations": ["execute"]}, "anonymous": 1}}),
    key(trust_gradient=None), key(trust_gradient={"enabled": "yes"}), key(trust_gradient={"enabled": 1}),
    key(trust_gradient={"enabled": True, "author_types": []}),
    key(trust_gradient={"enabled": True, "author_types": {"executor": {"allowed_operations": "all"}}}),
    key(trust_gradient={"enabled": True, "constraints": {}}), key(trust_gradient={"enabled": True, "constraints": [1]}),
    key(trust_gradient={"enabled": True, "constraints": [{"match": "some", "deny": ["execute"]}]}),
    key(trust_gradient={"enabled": True, "constraints": [{"match": "all", "deny": "execute"}]}),
    key(trust_gradient={"enabled": False, "constraints": [{"deny": ["execute"]}]}),
    "genesis: {version: 1}\n---\npermissions: {}\n",
    "genesis: {version: 1}\ngenesis: {version: 2}\n",
    'genesis: {version: 1}\npermissions: {actors: {"a": {operations: [execute]}, "a": {operations: []}}}\n',
    "genesis: {version: 1}\npermissions: {1: 2}\n",
    "genesis: {version: !!python/object/apply:os.system [id]}\n",
    "genesis: {version: 1, created: 2026-13-45}\n",
    "genesis: {version: 1, x: " + "9" * 6000 + "}\n",
    "[" * 10_000,
    "a: " * 5_000,
    "? " * 5_000,
    "x: " + "y" * 70_000,
    "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c]\n",
    "base: &b {x: 1}\nc: {<<: *b}\n",
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_not_clearly_a_key_refuses_whatever_the_policy(text: str | bytes) -> None:
    assert answer(text, "Allow") == "GenesisMalformed"


def test_the_message_says_where_and_stays_short() -> None:
    decided = decide(b"genesis: {version: 1}\npermissions:\n  actors: [\n", "Allow", ME)
    assert isinstance(decided, Refusal)
    assert "line" in decided.message
    assert len(decided.message) < 400


yaml_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["execute", "all", ME]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["genesis", "version", "permissions", "actors", ME, "operations", "trust_gradient", "enabled",
             "constraints", "match", "deny", "author_types", "defaults", "authenticated", "identity"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip


@given(yaml_like)
def test_any_document_gets_an_answer_and_execute_only_where_it_is_written(document: Any) -> None:
    text = json.dumps(document)
    decided = decide(text.encode(), "Deny", ME)
    assert isinstance(decided, Refusal) or "execute" in text


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(content: bytes) -> None:
    assert isinstance(decide(content, "Allow", ME), Refusal | Allowed)


@given(st.text(alphabet="{}[]:,&*!|>'\"%@`#-? \n\tab1.", max_size=80))
def test_any_text_that_looks_like_yaml_is_read_or_refused(text: str) -> None:
    try:
        read_genesis(text.encode())
    except MalformedError:
        return
