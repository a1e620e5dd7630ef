"""Send what a runner could not: `python3 -m bugcommand_operator.runner.ship`, in a pod that only reads the volume.

The agent may have written anything to that volume: nothing but regular files with a spool's names is read, and what
is in them counts for no more than what the agent could have sent itself. Its termination message says what is left.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .config import DEFAULT_TERMINATION_LOG, DEFAULT_TOKEN_FILE
from .intake import Intake
from .outcome import write
from .queues import Envelope, LineQueue, Queue
from .recording import earlier_recordings
from .shipper import Shipper
from .spool import earlier_spools


def main() -> int:
    env = os.environ
    code, told = 1, {"reason": "ShippingFailed", "message": ""}
    try:
        code, told = 0, ship(json.loads(env["MENTU_SHIP"]), env.get("MENTU_TOKEN_FILE") or DEFAULT_TOKEN_FILE)
    except Exception as error:  # noqa: BLE001 - the operator must learn what happened
        told["message"] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(told) + "\n")
    write(env.get("MENTU_TERMINATION_LOG") or DEFAULT_TERMINATION_LOG, told)
    return code


def ship(request: Mapping[str, Any], token_file: str) -> dict[str, Any]:
    folder = Path(request["stateDir"]) / "spool"
    is_there = folder.is_dir() and folder.resolve() == folder
    spools = earlier_spools(folder, int(request["attempt"]) + 1, read_only=True) if is_there else []
    envelope = Envelope(str(request["commandId"]), int(request["epoch"]), str(request["machineId"]))
    queues = [LineQueue(spool, envelope) for spool in spools]
    recordings = earlier_recordings(folder.parent, int(request["attempt"]) + 1, envelope, read_only=True)
    before = sum(queue.pending for queue in queues)
    if (queues or recordings) and request.get("intakeUrl"):
        for queue in queues:
            queue.wait_for = True
        everything: list[Queue] = [*queues, *recordings]
        _drain(Intake(str(request["intakeUrl"]), token_file), everything, float(request["seconds"]))
    unshipped = sum(queue.pending for queue in queues) if request.get("intakeUrl") else 0
    refused = sum(queue.lost for queue in queues)
    counts = {"shipped": before - unshipped, "unshipped": unshipped, "refused": refused}
    return {"reason": "", "message": "", **counts, "unshippedParts": sum(queue.pending for queue in recordings)}


def _drain(intake: Intake, queues: list[Queue], seconds: float) -> None:
    shipper = Shipper(intake, queues, lambda text: print(text, file=sys.stderr), threading.Event())  # noqa: T201
    deadline = time.monotonic() + seconds
    shipper.start()
    shipper.drain(lambda: deadline)


if __name__ == "__main__":
    sys.exit(main())
