"""Run one attempt of one agent and tell how it ended: `python3 -m bugcommand_operator.runner`.

It orders the steps; each is somewhere else. Nothing here may fail without a termination message, and an attempt's
prompt never runs twice: the marker on the volume is created right before the agent starts, and only once.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from . import claude_home
from .agent_env import agent_environment
from .checkpoint import Checkpoint, Checkpointer, rescue_ref
from .config import DEFAULT_TERMINATION_LOG, ConfigError, RunConfig, read_config
from .earlier import GO_ON, WORKED_HERE, earlier_work, forget_session, note_session
from .follow import Follow
from .headless import Headless
from .hooks import parse
from .intake import Intake, read_token
from .journal import Journal
from .lines import Redactor, sanitise
from .outcome import EXIT_RAN, EXIT_RUNNER, Outcome, Report, write
from .processes import Children
from .queues import Envelope, LineQueue, Queue
from .recorder import Recorder
from .recording import RecordingQueue, earlier_recordings
from .session import TERMINATED, Session, StartFailed, outcome_of
from .shipper import Shipper
from .spool import Spool, earlier_spools
from .terminal import Terminal
from .tmux import COLUMNS, ROWS, attach_hint
from .transcript import usage_line

CONTEXT = ".mentu/bug-context.md"
SESSION_ID = 128
MOST_RECALLED = 256 * 1024 * 1024


def main() -> int:
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        return _refuse(os.environ, str(error))
    try:
        return Run(config, os.environ).execute()
    except Exception as error:  # noqa: BLE001 - the pod must say why it ended
        traceback.print_exc()
        return _refuse(os.environ, f"{type(error).__name__}: {error}")


def _refuse(env: Mapping[str, str], message: str) -> int:
    sys.stderr.write(f"stderr: mentu: {message}\n")
    report = Report(Outcome(EXIT_RUNNER, "RunnerFailed", message), ended_at=_now())
    write(env.get("MENTU_TERMINATION_LOG") or DEFAULT_TERMINATION_LOG, report.to_json())
    return EXIT_RUNNER


class Run:
    def __init__(self, config: RunConfig, env: Mapping[str, str]) -> None:
        self._config = config
        self._scratch = Path(config.scratch)
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = read_token(config.token_file)
        defaults = {} if config.plain else claude_home.ENVIRONMENT
        if config.headless and not config.plain:
            defaults = {**defaults, **claude_home.HEADLESS_ENVIRONMENT}
        self._env = agent_environment(config, env, token, defaults)
        spools = Path(config.state_dir) / "spool"
        self._spool = Spool(spools, config.attempt)
        secrets = [env[name] for name in config.redact_env if env.get(name)]
        self._journal = Journal(self._spool, Redactor([*secrets, token]), config.spool_bytes)
        self._children = Children()
        self._recording = RecordingQueue(Path(config.state_dir), config.attempt, _envelope(config))
        self._queues = _queues(config, self._spool, self._recording)
        self._shipper = self._make_shipper() if config.intake_url else None
        self._earlier = earlier_work(config)
        session_id = self._earlier.session_id or str(uuid.uuid4())
        self._session = Session(
            config, self._env, self._prompt(), session_id, self._journal, self._children, self._scratch
        )
        self._session.recorder = self._make_recorder()
        self._checkpointer = self._make_checkpointer()

    def execute(self) -> int:
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, self._on_sigterm)
        self._children.adopt_orphans()
        if self._shipper is not None:
            self._shipper.start()
        started = _now()
        outcome = self._refusal() or self._run_agent()
        return self._conclude(outcome, started)

    def _refusal(self) -> Outcome | None:
        """Why the agent cannot start at all; otherwise the attempt is marked as begun."""
        program = self._config.command[0]
        found = shutil.which(program, path=self._env.get("PATH"), mode=os.F_OK)
        if found is None:
            return Outcome(127, "AgentStartFailed", f"{program} is not in the agent image's PATH")
        if not os.access(found, os.X_OK):
            return Outcome(126, "AgentStartFailed", f"{found} is not executable for uid {os.getuid()}")
        if not self._config.headless and shutil.which("tmux", path=self._env.get("PATH")) is None:
            return Outcome(127, "AgentStartFailed", "tmux is not in the agent image's PATH, Terminal mode needs it")
        if not Path(self._config.cwd).is_dir():
            return Outcome(126, "AgentStartFailed", f"the working directory {self._config.cwd} does not exist")
        return None

    def _run_agent(self) -> Outcome:
        mode = self._prepare()
        if self._session.terminate_at is not None:
            return outcome_of(self._session, 0, TERMINATED, asked=False, error=None)
        if not mark_started(Path(self._config.state_dir), self._config.attempt):
            return Outcome(EXIT_RAN, "AttemptAlreadyRan", "this attempt's prompt has run once; it needs a new attempt")
        note_session(self._config.state_dir, self._session.session_id)
        self._checkpointer.start()
        self._session.started = time.monotonic()
        try:
            outcome = mode.run()
        except StartFailed as error:
            outcome = Outcome(126, "AgentStartFailed", str(error))
        except Exception as error:  # noqa: BLE001 - whatever broke here, the work is kept and the lines are sent
            traceback.print_exc()
            outcome = Outcome(EXIT_RUNNER, "RunnerFailed", f"{type(error).__name__}: {error}")
        self._children.end_all(1.0)
        self._note_session(outcome)
        self._journal.finish()
        if not self._config.plain:
            self._journal.write("stdout", usage_line(self._session.transcript.usage))
        self._checkpointer.finish(self._time_left(0.4, 60.0))
        return outcome

    def _note_session(self, outcome: Outcome) -> None:
        """What was resumed and has failed before it said a word is not resumed again."""
        state, session = self._config.state_dir, self._session
        said_nothing = not session.transcript.usage.total().output_tokens
        if self._earlier.session_id and outcome.reason == "AgentFailed" and said_nothing:
            forget_session(state)
        else:
            note_session(state, session.agent_session or session.session_id)

    def _prepare(self) -> Terminal | Headless:
        config, session = self._config, self._session
        events = self._scratch / "hooks.jsonl"
        events.unlink(missing_ok=True)
        if Path(config.home).is_symlink():  # somebody before us has made a path of it to elsewhere
            Path(config.home).unlink()
        if not config.plain:
            claude_home.write_home(config, self._env, events)
            self._recall()
        else:
            Path(config.home).mkdir(parents=True, exist_ok=True)
        if config.headless:
            return Headless(session, self._argv(claude_home.headless_argv))
        self._journal.note(attach_hint(config.namespace, socket.gethostname(), config.socket))
        return Terminal(session, self._argv(claude_home.terminal_argv), events)

    def _recall(self) -> None:
        """A session that is resumed may tell its past again, and its totals may cover it."""
        if self._earlier.transcript is not None:
            self._journal.note("an earlier attempt's session is resumed")
            for line in Follow(self._earlier.transcript).lines(MOST_RECALLED):
                self._session.transcript.recall(parse(line))

    def _argv(self, of_claude: object) -> list[str]:
        if self._config.plain or not callable(of_claude):
            return [*self._config.command, *self._config.args, self._session.prompt]
        resumes = bool(self._earlier.session_id)
        return list(of_claude(self._config, self._session.session_id, self._session.prompt, resumes))

    def _prompt(self) -> str:
        if self._earlier.session_id:
            return GO_ON
        first = [*self._where_the_context_is(), *([WORKED_HERE] if self._earlier.has_worked else [])]
        return f"{' '.join(first)}\n\n{self._config.prompt}" if first else self._config.prompt

    def _where_the_context_is(self) -> list[str]:
        context = Path(self._config.worktree) / CONTEXT
        if not context.exists():
            return []
        path = os.path.relpath(context, self._config.cwd)
        return [f"Read {path} first: it says what to do and within which limits."]

    def _make_checkpointer(self) -> Checkpointer:
        config = self._config
        ref = rescue_ref(config.commitment_id, config.attempt)
        checkpoint = Checkpoint(self._children, config.worktree, ref, self._scratch, config.identity)
        return Checkpointer(checkpoint, self._journal, config.checkpoint_seconds)

    def _make_recorder(self) -> Recorder | None:
        """Of a terminal that somebody can keep the recording of."""
        config = self._config
        if config.headless or not config.intake_url or config.recording_bytes <= 0:
            return None
        header = {"width": COLUMNS, "height": ROWS, "timestamp": int(time.time()), "title": config.name}
        env = {"env": {"TERM": "tmux-256color"}}
        begun = self._recording.begin
        return Recorder(self._journal.redactor, self._keep_part, {**header, **env}, config.recording_bytes, begun=begun)

    def _keep_part(self, part: bytes) -> bool:
        kept = self._recording.keep(part)
        if kept:
            self._journal.arrived.set()
        else:
            self._journal.note(f"the session is not recorded any more: {self._recording.trouble}", problem=True)
        return kept

    def _make_shipper(self) -> Shipper:
        intake = Intake(
            self._config.intake_url, self._config.token_file, lambda token: self._journal.redactor.add([token])
        )

        def note(text: str) -> None:
            self._journal.note(text, problem=True)

        return Shipper(intake, self._queues, note, self._journal.arrived)

    def _conclude(self, outcome: Outcome, started: str) -> int:
        self._journal.note(f"{outcome.reason}: {outcome.message}", problem=outcome.exit_code != 0)
        if self._shipper is not None:
            over = time.monotonic() + self._config.drain_seconds
            self._shipper.drain(lambda: min(over, self._killed_at()))
        report = Report(
            replace(outcome, message=self._safe(outcome.message + self._troubles())),
            session_id=self._safe(self._session.agent_session or self._session.session_id)[:SESSION_ID],
            lines=self._journal.count,
            last_sequence=self._journal.last_seq,
            unshipped=self._unshipped(),
            unshipped_parts=sum(queue.pending for queue in self._queues if isinstance(queue, RecordingQueue)),
            refused=self._refused() + self._journal.lost,
            usage=self._session.transcript.usage.total(),
            checkpoint=self._checkpointer.commit,
            started_at=started,
            ended_at=_now(),
        )
        write(self._config.termination_log, report.to_json())
        self._spool.close()
        return outcome.exit_code

    def _safe(self, text: str) -> str:
        """What the pod's status may show: it is read by more people than the log."""
        return self._journal.redactor(sanitise(text))

    def _troubles(self) -> str:
        told = [self._journal.lost_message()] if self._journal.lost else []
        refused = self._refused()
        told += [f"the log intake refused {refused} lines"] if refused else []
        told += [f"the log intake takes no line of this command: {self._spool.undeliverable}"] * bool(
            self._spool.undeliverable
        )
        return f" ({'; '.join(told)})" if told else ""

    def _unshipped(self) -> int:
        """Without an intake lines are nobody's but the container's log's and the volume's."""
        return sum(queue.pending for queue in self._lines()) if self._shipper is not None else 0

    def _refused(self) -> int:
        return sum(queue.lost for queue in self._lines())

    def _lines(self) -> list[LineQueue]:
        return [queue for queue in self._queues if isinstance(queue, LineQueue)]

    def _time_left(self, share: float, most: float) -> float:
        """How long a last step may take: while the pod is being ended, a share of what is left until it is killed."""
        return max(0.5, min(most, share * (self._killed_at() - time.monotonic())))

    def _killed_at(self) -> float:
        """A moment before the pod's grace is over; never, while nobody ends it."""
        if self._session.terminate_at is None:
            return float("inf")
        return self._session.terminate_at + self._config.termination_grace_seconds - 1.0

    def _on_sigterm(self, _number: int, _frame: object) -> None:
        if self._session.terminate_at is None:
            self._session.terminate_at = time.monotonic()


def mark_started(state_dir: Path, attempt: int) -> bool:
    """False if this attempt has been started before, by whichever process."""
    try:
        fd = os.open(state_dir / f"attempt-{attempt}.started", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(fd, "w") as file:
        file.write(_now() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def _envelope(config: RunConfig) -> Envelope:
    return Envelope(config.command_id, config.epoch, config.machine_id)


def _queues(config: RunConfig, own: Spool, recording: RecordingQueue) -> list[Queue]:
    """This attempt's lines first, then what earlier ones left; recordings after them."""
    state, envelope = Path(config.state_dir), _envelope(config)
    lines = [LineQueue(spool, envelope) for spool in (own, *earlier_spools(state / "spool", config.attempt))]
    return [*lines, recording, *earlier_recordings(state, config.attempt, envelope)]


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: UP017 - 3.9 has no datetime.UTC
