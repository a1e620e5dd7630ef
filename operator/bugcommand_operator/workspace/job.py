"""What every step needs: the request, the paths and a way to start git."""

from collections.abc import Mapping

from bugcommand_operator.core.light_typing import NamedTuple
from bugcommand_operator.core.repository_url import RepositoryURL, URLProblem, parse_repository_url
from bugcommand_operator.workspace.errors import InvalidRepositoryURL
from bugcommand_operator.workspace.git import Git
from bugcommand_operator.workspace.paths import Paths, paths_from
from bugcommand_operator.workspace.request import Request, request_from


class Job(NamedTuple):
    request: Request
    paths: Paths
    git: Git


def job_from(environ: Mapping[str, str]) -> Job:
    git = Git(allow_file=environ.get("MENTU_ALLOW_FILE_PROTOCOL") == "1")
    return Job(request_from(environ), paths_from(environ), git)


def checked_url(job: Job, *, has_credential: bool = False) -> RepositoryURL:
    parsed = parse_repository_url(job.request.url, has_credential=has_credential, allow_file=job.git.allow_file)
    if isinstance(parsed, URLProblem):
        raise InvalidRepositoryURL(parsed.message)
    return parsed
