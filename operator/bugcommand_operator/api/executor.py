"""Executor: the registry entry of an instance that runs commands. Executors write their own; it is there to be looked
at. That its instance is alive is said by the Lease of the same name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from bugcommand_operator.api.conditions import Condition
from bugcommand_operator.api.model import Model

OPERATOR_TYPE = "bridge"
MAX_ID = 253


class ExecutorSpec(Model):
    type: Annotated[
        str, Field(max_length=63, description="What kind of executor it is; the operator's own: bridge.")
    ] = OPERATOR_TYPE
    instance_id: Annotated[
        str, Field(min_length=1, max_length=MAX_ID, description="Stable over restarts; status.claim.executor names it.")
    ]
    machine_id: Annotated[
        str, Field(min_length=1, max_length=253, description="The cluster or site; spec.targetMachine names it.")
    ]
    solo: Annotated[bool, Field(description="true: no other executor of its machine starts while it is alive.")] = False
    capacity: Annotated[int, Field(ge=0, le=1_000_000, description="Most commands that it runs at once.")] = 0


class ExecutorStatus(Model):
    pid: Annotated[str, Field(max_length=253, description="The pod's name; outside of a pod, host and process.")] = ""
    started_at: datetime | None = None
    running: Annotated[int, Field(ge=0, description="Commands that it has claimed and that have not ended.")] = 0
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = []
