"""A row's way to its BugCommand: claimed, made, written down; or refused, or cancelled.

Level-based: each look begins with the row as it is, so whatever was left half done is finished by the next look, here
or in another gateway. What may help when it is tried again raises; what will not becomes the row's error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bugcommand_operator.api.approval import Decided, Decision
from bugcommand_operator.cluster.errors import AccessDenied, AlreadyExists, ClusterError, NotFound, Refused
from bugcommand_operator.cluster.kube import Kube, Raw
from bugcommand_operator.gateway.bridge.refusals import Untranslatable
from bugcommand_operator.gateway.bridge.repositories import Repositories
from bugcommand_operator.gateway.bridge.request import BridgeCommand, command_id_of, parse_row
from bugcommand_operator.gateway.bridge.rows import Row, Step, Territory
from bugcommand_operator.gateway.bridge.states import PENDING, error_text
from bugcommand_operator.gateway.bridge.translate import LABEL_BRIDGE, is_made_for, is_ours, name_of, translate
from bugcommand_operator.gateway.deciding import Settled, decide
from bugcommand_operator.gateway.refusals import TryLater
from bugcommand_operator.store.bridge_commands import BridgeCommands, UnreadableRow

BY_THE_ROW = "bridge_commands"
"""Whoever may write a workspace's rows decides about its commands."""


class KubeSource(Protocol):
    async def kube(self) -> Kube: ...


@dataclass(frozen=True)
class Claims:
    rows: BridgeCommands
    cluster: KubeSource
    repositories: Repositories
    territory: Territory
    on_created: Callable[[str, str], None] = lambda _namespace, _command_id: None

    async def look_at(self, command_id: str, *, repair: bool = False, new: bool = False) -> None:
        """Do what there is to do about a row. `repair`: it was claimed long enough ago, so whoever did that will not
        make the BugCommand any more. `new`: it will most likely be there to be claimed. Raises a `StoreError` or a
        `ClusterError` to be tried again."""
        try:
            if not (new and await self._claimed_outright(command_id)):
                await self._carry_on(command_id, repair=repair)
        except UnreadableRow as error:  # of a row that is claimed
            await self.rows.refuse(command_id, error_text("InvalidField", error))

    async def _carry_on(self, command_id: str, *, repair: bool) -> None:
        row = await self.rows.fate(command_id)
        step = self.territory.step(row) if row is not None else Step.NOTHING
        if row is None or step is Step.NOTHING:
            return
        namespace = self.territory.namespace_of(row) or ""
        if step is Step.CLAIM:
            claimed = await self.rows.claim(command_id, namespace)
            if claimed is not None:
                await self._create(command_id, claimed, namespace)
        elif row["status"] != PENDING and not row["bugcommand"]:
            if repair or step is Step.CANCEL:
                await self._carry_on_claimed(command_id, row, namespace, step)
        elif step is Step.REJECT:
            await self._reject(command_id)
        elif step is Step.CANCEL:
            await self._cancel(command_id, namespace, row)
        elif step is Step.APPROVE:
            await self._decide(command_id, namespace, Decision.APPROVED)

    async def _carry_on_claimed(self, command_id: str, row: Row, namespace: str, step: Step) -> None:
        """Nobody has written down that there is a BugCommand, but there may be: that is looked at before all else."""
        if await self._noted(command_id, row, namespace):
            if step is not Step.CREATE:
                await self._cancel(command_id, namespace, row)
        elif step is Step.CREATE:
            whole = await self.rows.get(command_id)
            if whole is not None:
                await self._create(command_id, whole, namespace)
        elif step is Step.REJECT:
            await self._reject(command_id)
        else:
            await self.rows.end_cancelled(command_id)

    async def _noted(self, command_id: str, row: Row, namespace: str) -> bool:
        try:
            found = await (await self.cluster.kube()).get("BugCommand", namespace, name_of(command_id))
        except NotFound:
            return False
        if not is_made_for(found, command_id, row["prompt"]):
            return False
        await self.rows.created(command_id, namespace, found["spec"]["repository"]["name"], name_of(command_id))
        self.on_created(namespace, command_id)
        return True

    async def _reject(self, command_id: str) -> None:
        await self.rows.refuse(command_id, error_text("ApprovalRejected", "somebody has rejected it"))

    async def _claimed_outright(self, command_id: str) -> bool:
        territory = self.territory
        known, elsewhere = territory.sure_workspaces(), territory.namespace_of_all_others()
        if not (known or elsewhere):
            return False
        row = await self.rows.claim_outright(command_id, known, elsewhere)
        if row is None:
            return False
        await self._create(command_id, row, territory.namespace_of(row) or "")
        return True

    async def _create(self, command_id: str, row: Row, namespace: str) -> None:
        try:
            manifest = await self._manifest(command_id, row, namespace)
            await create_or_adopt(await self.cluster.kube(), manifest)
        except Untranslatable as refusal:
            await self.rows.refuse(command_id, error_text(refusal.reason, refusal.message))
            return
        except AccessDenied as error:  # a person may give us the right, or room in a quota, and then it goes on
            await self.rows.explain(command_id, error_text("CannotCreate", error))
            raise
        if row.get("approval_required") and row.get("approval_status") == "approved":
            await self._decide(command_id, namespace, Decision.APPROVED)
        repository = manifest["spec"]["repository"]["name"]
        await self.rows.created(command_id, namespace, repository, name_of(command_id))
        self.on_created(namespace, command_id)

    async def _manifest(self, command_id: str, row: Row, namespace: str) -> Raw:
        command_id, command = command_id_of(command_id), parse_row(dict(row))
        return await translated(await self.cluster.kube(), self.repositories, command, command_id, namespace)

    async def _decide(self, command_id: str, namespace: str, decision: Decision) -> bool:
        """What the row's owner has decided: once, for the row goes on saying it whatever is asked for later. False: it
        is settled otherwise."""
        now = datetime.now(UTC).replace(microsecond=0)
        wanted = Decided(decision=decision, by=BY_THE_ROW, at=now)
        try:
            await decide(await self.cluster.kube(), namespace, name_of(command_id), wanted, only_first=True)
        except (Settled, NotFound):
            return False
        except TryLater as error:
            raise ClusterError(str(error)) from error
        return True

    async def _cancel(self, command_id: str, namespace: str, row: Row) -> None:
        """A row that is rejected while nothing has begun ends as what it is; all others are cancelled."""
        is_rejected = row.get("approval_status") == "rejected" and row.get("approval_required")
        if is_rejected and await self._decide(command_id, namespace, Decision.REJECTED):
            return
        kube, name = await self.cluster.kube(), name_of(command_id)
        try:
            found = await kube.get("BugCommand", namespace, name)
            ours = (found["metadata"].get("labels") or {}).get(LABEL_BRIDGE) == command_id
            if ours and not (found.get("spec") or {}).get("cancel"):
                only_this = {"uid": found["metadata"]["uid"]}
                await kube.patch("BugCommand", namespace, name, {"metadata": only_this, "spec": {"cancel": True}})
        except NotFound:
            return  # its end is written down by whoever follows BugCommands


async def translated(
    kube: Kube,
    repositories: Repositories,
    command: BridgeCommand,
    command_id: str,
    namespace: str,
    allowed: frozenset[str] | None = None,
) -> Raw:
    """The manifest. Before it is refused the Repositories are looked at anew: one may have been made just now."""
    known = await repositories.of(kube, namespace)
    try:
        return translate(command, command_id, namespace, known, allowed=allowed)
    except Untranslatable:
        known = await repositories.of(kube, namespace, fresh=True)
        return translate(command, command_id, namespace, known, allowed=allowed)


async def create_or_adopt(kube: Kube, manifest: Raw) -> Raw:
    """Make the BugCommand, or find that it was made before. Raises `Untranslatable` for what will never be made."""
    meta = manifest["metadata"]
    try:
        return await kube.create(manifest)
    except AlreadyExists:
        existing = await _existing(kube, meta["namespace"], meta["name"])
        if not is_ours(existing, manifest):
            message = f"BugCommand {meta['namespace']}/{meta['name']} is there already and is another: delete it"
            raise Untranslatable("NameTaken", message) from None
        return existing
    except AccessDenied:
        raise
    except (Refused, NotFound) as error:
        raise Untranslatable("RefusedByCluster", str(error)) from error


async def _existing(kube: Kube, namespace: str, name: str) -> Raw:
    try:
        return await kube.get("BugCommand", namespace, name)
    except NotFound as error:
        raise ClusterError(f"BugCommand {namespace}/{name} was there and is gone: tried again") from error
