"""What the operator asks for, checked before anything is touched. It may not read anything but its arguments."""

import json
import re
from collections.abc import Mapping

from bugcommand_operator.core.light_typing import Any, NamedTuple
from bugcommand_operator.core.ref_name import FULL_SHA, ref_problem
from bugcommand_operator.workspace.errors import BaseRefNotFound, InvalidSpec

COMMITMENT = re.compile(r"cmt_[0-9a-z_]{1,59}\Z")
COMMAND = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}\Z")


class Identity(NamedTuple):
    name: str
    email: str


class Request(NamedTuple):
    name: str
    namespace: str
    command_id: str
    commitment_id: str
    attempt: int
    url: str
    base_ref: str
    base_commit: str
    published_commit: str
    """Where an earlier attempt has pushed the branch to; empty when none has."""
    default_branch: str
    working_directory: str
    with_worktree: bool
    mirror: bool
    genesis_policy: str
    actor: str
    identity: Identity
    created_at: str
    scope: Mapping[str, Any] | None
    rescue: bool
    prompt: str
    context: Mapping[str, Any] | None
    ca_bundle: str
    agent_ca_bundle: str
    """What the agent trusts beside its system's certificates."""

    @property
    def branch(self) -> str:
        return f"bug/{self.commitment_id}"

    @property
    def branch_ref(self) -> str:
        return f"refs/heads/{self.branch}"

    @property
    def target_ref(self) -> str:
        """Where the work goes on the remote."""
        return self.rescue_ref if self.rescue else self.branch_ref

    @property
    def rescue_ref(self) -> str:
        """Where work that was not published is kept; on the volume, where the runner saves it from time to time."""
        return f"refs/mentu/rescue/{self.commitment_id}/{self.attempt}"

    @property
    def wanted(self) -> str:
        """The base as asked for; empty means the remote's default branch."""
        return self.base_commit or self.base_ref or self.default_branch


def request_from(environ: Mapping[str, str]) -> Request:
    raw = _object(environ.get("MENTU_WORKSPACE", ""), "MENTU_WORKSPACE")
    context = environ.get("MENTU_CONTEXT", "")
    request = Request(
        name=_text(raw, "name"),
        namespace=_text(raw, "namespace"),
        command_id=_text(raw, "commandId"),
        commitment_id=_text(raw, "commitmentId"),
        attempt=_positive(raw.get("attempt", 1)),
        url=_text(raw, "url"),
        base_ref=_text(raw, "baseRef"),
        base_commit=_text(raw, "baseCommit"),
        published_commit=_text(raw, "publishedCommit"),
        default_branch=_text(raw, "defaultBranch"),
        working_directory=_text(raw, "workingDirectory"),
        with_worktree=raw.get("withWorktree", True) is not False,
        mirror=raw.get("mirror", True) is not False,
        # Whatever is not clearly an allowance denies.
        genesis_policy="Allow" if raw.get("genesisPolicy", "Allow") == "Allow" else "Deny",
        actor=_text(raw, "actor") or "agent:executor",
        identity=_identity(raw.get("identity")),
        created_at=_text(raw, "createdAt"),
        scope=raw.get("scope") if isinstance(raw.get("scope"), dict) else None,
        rescue=raw.get("publishAs") == "Rescue",
        prompt=environ.get("MENTU_PROMPT", ""),
        context=_object(context, "MENTU_CONTEXT") if context.strip() else None,
        ca_bundle=environ.get("MENTU_CA_BUNDLE", ""),
        agent_ca_bundle=environ.get("MENTU_AGENT_CA_BUNDLE", ""),
    )
    _check(request)
    return request


def _check(request: Request) -> None:
    if not COMMITMENT.match(request.commitment_id):
        raise InvalidSpec("commitmentId must look like cmt_ followed by 1 to 59 of [0-9a-z_]")
    if not COMMAND.match(request.command_id):
        raise InvalidSpec("commandId must be a UUID")
    if request.base_commit and not FULL_SHA.match(request.base_commit):
        raise InvalidSpec("baseCommit must be a full commit id")
    if request.published_commit and not FULL_SHA.match(request.published_commit):
        raise InvalidSpec("publishedCommit must be a full commit id")
    for name in (request.base_ref, request.default_branch):
        problem = ref_problem(name) if name else ""
        if problem:
            raise BaseRefNotFound(f"{name[:100]!r} cannot be the name of a branch, tag or commit: {problem}")


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"{name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidSpec(f"{name} is not a JSON object")
    return value


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise InvalidSpec(f"{key} is not a text")
    return value


def _positive(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1_000_000:
        raise InvalidSpec("attempt must be a positive number")
    return value


def _identity(raw: Any) -> Identity:
    values = raw if isinstance(raw, dict) else {}
    name, email = _text(values, "name") or "Mentu Agent", _text(values, "email") or "agent@mentu.invalid"
    return Identity(_one_line(name), _one_line(email))


def _one_line(text: str) -> str:
    return "".join(character for character in text if character.isprintable() and character not in '<>"\\')[:254]
