"""The peer of P9: a kopf operator that watches what ours does, and does nothing.

python -m bench.noop_kopf NAMESPACE COMMANDS: says so once it has been shown so many commands.
"""

from __future__ import annotations

import sys
from typing import Any

import kopf
import uvloop

SHOWN = "all shown"
OTHERS = (("mentu.dev", "v1alpha1", "repositories"), ("mentu.dev", "v1alpha1", "agents"))
CORE = (("v1", "pods"), ("v1", "persistentvolumeclaims"))


def registry(wanted: int) -> kopf.OperatorRegistry:
    made, shown = kopf.OperatorRegistry(), set()

    async def command(name: str, **_: Any) -> None:
        shown.add(name)
        if len(shown) == wanted:
            sys.stdout.write(f"{SHOWN}\n")
            sys.stdout.flush()

    async def nothing(**_: Any) -> None:
        pass

    kopf.on.login(registry=made)(login)
    kopf.on.event("mentu.dev", "v1alpha1", "bugcommands", registry=made, id="command")(command)
    for resource in (*OTHERS, *CORE):
        kopf.on.event(*resource, registry=made, id=resource[-1])(nothing)
    return made


def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_kubeconfig(**kwargs)


async def main(namespace: str, wanted: int) -> None:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    await kopf.operator(registry=registry(wanted), settings=settings, standalone=True, namespaces=[namespace])


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
