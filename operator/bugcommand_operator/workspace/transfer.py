"""One `git fetch` into a bare repository of ours, every object checked as it arrives."""

from collections.abc import Mapping

from bugcommand_operator.workspace.git import Git
from bugcommand_operator.workspace.job import Job

# Old histories have blemishes that every forge serves; they harm nobody.
BLEMISHES = (
    "zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "missingEmail",
    "badEmail", "zeroPaddedDate", "missingNameBeforeEmail", "badFilemode", "multipleAuthors", "nulInCommit",
)  # fmt: skip
TOLERATED = {f"fetch.fsck.{blemish}": "warn" for blemish in BLEMISHES}
NO_MORE: Mapping[str, str] = {}


def transfer(job: Job, git: Git, refspec: str, lock: int, *, into: str, config: Mapping[str, str] = NO_MORE) -> None:
    git._replace(config={**git.config, **TOLERATED, **config}).run(
        [
            "--git-dir", into, "fetch", "--quiet", "--no-tags", "--no-prune", "--no-auto-gc",
            "--no-write-fetch-head", "--no-recurse-submodules", "--end-of-options", job.request.url, refspec,
        ],
        seconds=git.transfer_seconds,
        keep=(lock,),
    )  # fmt: skip
