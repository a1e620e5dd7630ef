"""What Claude Code needs so that it asks no question, and what keeps the repository from steering it.

Found out with the real binary, 2.1.329, against a repository whose `.claude/settings.json`, `settings.local.json` and
`.mcp.json` held hooks, an ANTHROPIC_BASE_URL, an apiKeyHelper and an MCP server (all of which took effect without
these flags and none with them):
- `--setting-sources user` leaves out the repository's settings, hooks, env and apiKeyHelper; `--strict-mcp-config`
  its MCP servers. CLAUDE.md goes with them, though it is guidance and no setting: `--add-dir` with
  CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD brings it back, and nothing else of the above (an Agent sets the
  variable to 0 to leave it out).
- `--` before the prompt lets it start with `-`; one argument may have 128 KiB, so a prompt is an argument.
- `~/.claude.json`: `hasCompletedOnboarding` (no theme and login screens), `projects[<cwd>].hasTrustDialogAccepted`,
  `bypassPermissionsModeAccepted`, and `customApiKeyResponses.approved` with the last 20 characters of
  ANTHROPIC_API_KEY; `~/.claude/settings.json`: `skipDangerousModePermissionPrompt`. Auth tokens need no approval.
- questions would wait for a person who may not be there: the tools that ask one are not given.
- CLAUDE_CODE_MAX_RETRIES: by default a bad key is noticed after 193 s, a server that answers 429 or 500 or refuses
  connections after 180 s, 529 after 4 s (three tries, whatever is set). With 3: 4 to 8 s for all; a failure that may
  pass is tried again by the runner.

- `--resume` takes no `--session-id` beside it; `resumeReturnDismissed` keeps it from asking whether a long session is
  to be resumed whole.

Both files are written anew for each attempt: the volume was in the hands of an earlier one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import hooks
from .config import RunConfig

ASKING_TOOLS = ("AskUserQuestion", "EnterPlanMode", "ExitPlanMode")
FLAGS = (
    "--dangerously-skip-permissions",
    "--setting-sources",
    "user",
    "--strict-mcp-config",
    "--disallowedTools",
    ",".join(ASKING_TOOLS),
)
HEADLESS_FLAGS = ("--output-format", "stream-json", "--verbose", "-p")
ENVIRONMENT = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_MAX_RETRIES": "3",
    "CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD": "1",
}
# Headless, it may try on for longer by itself (it tells of each try, so the runner can bound it).
HEADLESS_ENVIRONMENT = {"CLAUDE_CODE_RETRY_WATCHDOG": "1", "CLAUDE_CODE_RETRY_WATCHDOG_SCOPE": "capacity"}


def write_home(config: RunConfig, env: Mapping[str, str], events: Path) -> None:
    home = Path(config.home)
    home.mkdir(parents=True, exist_ok=True)
    settings = home / ".claude"
    if settings.is_symlink():
        settings.unlink()
    settings.mkdir(exist_ok=True)
    _replace(home / ".claude.json", state(config.cwd, config.worktree, env.get("ANTHROPIC_API_KEY", "")))
    _replace(settings / "settings.json", user_settings(str(events)))


def state(cwd: str, worktree: str, api_key: str) -> dict[str, Any]:
    trusted = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    approved = [api_key.strip()[-20:]] if api_key.strip() else []
    return {
        "hasCompletedOnboarding": True,
        "bypassPermissionsModeAccepted": True,
        "autoUpdates": False,
        "resumeReturnDismissed": True,
        "customApiKeyResponses": {"approved": approved, "rejected": []},
        "projects": {path: dict(trusted) for path in sorted({cwd, worktree, os.path.realpath(cwd)})},
    }


def user_settings(events: str) -> dict[str, Any]:
    return {"skipDangerousModePermissionPrompt": True, "hooks": hooks.settings(events)}


def terminal_argv(config: RunConfig, session_id: str, prompt: str, resumes: bool = False) -> list[str]:
    return [*_flagged(config, session_id, resumes), *config.args, "--", prompt]


def headless_argv(config: RunConfig, session_id: str, prompt: str, resumes: bool = False) -> list[str]:
    return [*_flagged(config, session_id, resumes), *config.args, *HEADLESS_FLAGS, "--", prompt]


def _flagged(config: RunConfig, session_id: str, resumes: bool) -> list[str]:
    session = "--resume" if resumes else "--session-id"
    return [*config.command, *FLAGS, "--add-dir", config.worktree, session, session_id]


def _replace(path: Path, content: dict[str, Any]) -> None:
    """A new file under this name, whatever stood there (a link to elsewhere is not followed)."""
    new = path.with_name(path.name + ".mentu-new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(content, file)
    new.replace(path)
