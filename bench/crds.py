"""Our resources' definitions, which every benchmark on the cluster needs."""

from __future__ import annotations

import functools

import yaml

from bench.kube import Api
from bench.programs import ROOT
from bench.wait import until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def ensure(api: Api) -> None:
    """Of this checkout, where none are installed: an installed operator's are its own."""
    definitions = [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "crds").glob("*.yaml"))]
    for definition in definitions:
        path = f"{CRDS}/{definition['metadata']['name']}"
        if not await api.exists(path):
            await api.post(CRDS, definition)
        await until(f"{path} in force", functools.partial(_established, api, path), 30)


async def _established(api: Api, path: str) -> bool:
    conditions = ((await api.get(path)).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
