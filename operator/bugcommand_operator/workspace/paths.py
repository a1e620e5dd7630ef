"""Where things are. The same paths in every pod; tests and benchmarks put them elsewhere."""

from collections.abc import Mapping

from bugcommand_operator.core.light_typing import NamedTuple


class Paths(NamedTuple):
    workspace: str = "/workspace"
    mirror: str = "/mirror"
    export: str = "/export"
    tools: str = "/mentu"
    credentials: str = "/credentials"
    scratch: str = "/tmp"  # noqa: S108 - an emptyDir of the pod's own

    @property
    def repository(self) -> str:
        return f"{self.workspace}/repo"

    @property
    def git_dir(self) -> str:
        return f"{self.repository}/.git"

    @property
    def objects(self) -> str:
        return f"{self.git_dir}/objects"

    @property
    def mentu(self) -> str:
        return f"{self.repository}/.mentu"

    @property
    def state(self) -> str:
        return f"{self.workspace}/state"

    @property
    def mirror_repository(self) -> str:
        return f"{self.mirror}/repo.git"

    @property
    def mirror_objects(self) -> str:
        return f"{self.mirror_repository}/objects"

    @property
    def bundle(self) -> str:
        return f"{self.export}/work.bundle"

    @property
    def manifest(self) -> str:
        return f"{self.export}/manifest.json"


def paths_from(environ: Mapping[str, str]) -> Paths:
    default = Paths()
    return Paths(
        workspace=environ.get("MENTU_WORKSPACE_DIR", default.workspace),
        mirror=environ.get("MENTU_MIRROR_DIR", default.mirror),
        export=environ.get("MENTU_EXPORT_DIR", default.export),
        tools=environ.get("MENTU_TOOLS_DIR", default.tools),
        credentials=environ.get("MENTU_CREDENTIALS_DIR", default.credentials),
        scratch=environ.get("MENTU_SCRATCH_DIR", default.scratch),
    )
