"""Where a posted command is kept: as a row of `bridge_commands`, or as a BugCommand at once. The two answer alike."""

from dataclasses import dataclass
from typing import Any, Protocol

from bugcommand_operator.cluster.errors import NotFound
from bugcommand_operator.cluster.kube import Raw
from bugcommand_operator.gateway.bridge.claims import KubeSource, create_or_adopt
from bugcommand_operator.gateway.bridge.refusals import Untranslatable
from bugcommand_operator.gateway.bridge.request import PostedCommand
from bugcommand_operator.gateway.bridge.states import PENDING, state_of
from bugcommand_operator.gateway.bridge.translate import ANNOTATION_DIGEST, ANNOTATION_SENDER, name_of
from bugcommand_operator.store.bridge_commands import BridgeCommands


@dataclass(frozen=True, slots=True)
class NewCommand:
    request: PostedCommand
    manifest: Raw
    workspace_id: str | None
    digest: str
    sender: str

    @property
    def command_id(self) -> str:
        return str(self.manifest["spec"]["commandId"])

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"]["namespace"])


@dataclass(frozen=True, slots=True)
class Kept:
    command_id: str
    namespace: str
    status: str
    digest: str
    new: bool = False

    def body(self) -> dict[str, str]:
        return {
            "id": self.command_id,
            "commandId": self.command_id,
            "namespace": self.namespace,
            "name": name_of(self.command_id),
            "status": self.status,
        }


class Keeper(Protocol):
    async def find(self, command_id: str, namespace: str) -> Kept | None: ...

    async def keep(self, command: NewCommand) -> Kept: ...


@dataclass(frozen=True)
class KeptAsRow:
    """With Postgres. The row says what was asked for; the bridge makes of it what it makes of others' rows."""

    rows: BridgeCommands

    async def find(self, command_id: str, namespace: str) -> Kept | None:
        row = await self.rows.get(command_id)
        if row is None:
            return None
        _key, _, digest = str(row.get("idempotency_key") or "").partition(":")
        return Kept(command_id, namespace, str(row["status"]), digest)

    async def keep(self, command: NewCommand) -> Kept:
        new = await self.rows.insert(_row(command))
        if not new and (known := await self.find(command.command_id, command.namespace)) is not None:
            return known
        return Kept(command.command_id, command.namespace, PENDING, command.digest, new=True)


@dataclass(frozen=True)
class KeptAsBugCommand:
    """Without Postgres."""

    cluster: KubeSource

    async def find(self, command_id: str, namespace: str) -> Kept | None:
        kube = await self.cluster.kube()
        try:
            return _kept(await kube.get("BugCommand", namespace, name_of(command_id)), command_id)
        except NotFound:
            return None

    async def keep(self, command: NewCommand) -> Kept:
        meta = command.manifest["metadata"]
        noted = {ANNOTATION_DIGEST: command.digest, ANNOTATION_SENDER: command.sender}
        annotations = {**meta["annotations"], **noted}
        manifest = {**command.manifest, "metadata": {**meta, "annotations": annotations}}
        try:
            made = await create_or_adopt(await self.cluster.kube(), manifest)
        except Untranslatable:
            if (known := await self.find(command.command_id, command.namespace)) is not None:
                return known  # made a moment ago, by the same sender with the same key
            raise
        return Kept(command.command_id, command.namespace, PENDING, _kept(made, command.command_id).digest, new=True)


def _kept(obj: Raw, command_id: str) -> Kept:
    meta = obj["metadata"]
    digest = str((meta.get("annotations") or {}).get(ANNOTATION_DIGEST, ""))
    started = bool((obj.get("status") or {}).get("claim"))
    return Kept(command_id, meta["namespace"], state_of(obj).status if started else PENDING, digest)


def _row(command: NewCommand) -> dict[str, Any]:
    """The columns as the sender gave them. What it did not say is left to the table's own defaults."""
    asked, spec = command.request, command.manifest["spec"]
    columns = {
        "id": command.command_id,
        "workspace_id": command.workspace_id,
        "prompt": asked.prompt,
        "working_directory": asked.working_directory,
        "agent": asked.agent,
        "flags": asked.flags,
        "timeout_seconds": asked.timeout_seconds,
        "target_machine_id": asked.target_machine_id,
        "status": PENDING,
        "approval_required": asked.approval_required,
        "approval_status": "pending" if asked.approval_required else None,
        "with_worktree": asked.with_worktree,
        "commitment_id": asked.commitment_id,
        "payload": asked.payload_as_sent,
        "namespace": command.namespace,
        "repository": spec["repository"]["name"],
        "idempotency_key": f"{command.command_id}:{command.digest}",
    }
    return {name: value for name, value in columns.items() if value is not None}
